"""What the admin listener of an edge is asked: its counters, and whether it answers at all."""

import asyncio
import contextlib
import http.client

from prometheus_client.parser import text_string_to_metric_families

from ngage.errors import ServerError

ANSWER_SECONDS = 10.0
LAST_REQUEST = b"GET /healthz/live HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n"


async def await_answer(host: str, port: int) -> None:
    """Until a server has answered once, whatever it said, and has closed that connection.

    It says that it is ready as soon as the kernel takes connections. What it opens with the first
    of them and keeps, as an accept loop does, is open when this returns.
    """
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                writer.write(LAST_REQUEST)
                while await reader.read(65536):
                    pass


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
