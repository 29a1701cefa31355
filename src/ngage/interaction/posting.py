"""Webhooks' requests, by httpx.

It is the one client that fits: requests are awaited and can be given up as a whole (http.client in
a thread can be neither, and one slow server would hold a thread), connections are kept, and all
it brings beside what uvicorn and starlette have already are httpcore and certifi.
"""

import ssl

import httpx

from ngage.limits import WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_PARALLEL_MAX, WEBHOOK_URLS_MAX


class HttpxPoster:
    """Posts over HTTP/1.1; TLS is verified against the system's certificates.

    Redirects are not followed, and proxies of the environment not used.
    """

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(),
            trust_env=False,
            timeout=None,  # the whole exchange has a limit
            limits=httpx.Limits(max_connections=WEBHOOK_PARALLEL_MAX * WEBHOOK_URLS_MAX),
        )

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer. Raises httpx.HTTPError."""
        async with self._client.stream("POST", url, content=body, headers=headers) as answer:
            size = 0
            async for chunk in answer.aiter_raw():
                size += len(chunk)
                if size > WEBHOOK_ANSWER_BYTES_MAX:
                    break  # not worth a kept connection
            return answer.status_code

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
