"""The counters of an edge, as its /metrics tells them."""

import asyncio
import http.client

from prometheus_client.parser import text_string_to_metric_families

from ngage.errors import ServerError

ANSWER_SECONDS = 10.0


async def read_metrics(host: str, port: int) -> dict[str, float]:
    """Every sample of the admin listener's /metrics: `name` or `name{label="value"}` -> value.

    Raises ServerError if there is no such answer.
    """
    try:
        return await asyncio.to_thread(_read, host, port)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServerError(f"no metrics from http://{host}:{port}/metrics: {error}") from error


def _read(host: str, port: int) -> dict[str, float]:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise ValueError(f"status {response.status}")
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples
