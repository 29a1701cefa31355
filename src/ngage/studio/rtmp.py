"""OBS and the like as a source: whoever has the stream key, carried as it is."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from ngage.options import join_address
from ngage.studio.carried import Carried
from ngage.video.renditions import Wish
from ngage.video.rtmp.access import StreamKeys
from ngage.video.rtmp.publisher import Publisher
from ngage.video.rtmp.server import RtmpServer

STREAM = "main"


class RtmpFeed(Carried):
    """Listens while it is open. The key is that of one stream: one publisher is live at a time."""

    def __init__(
        self, host: str, port: int, application: str, stream_key: str, wishes: Sequence[Wish]
    ) -> None:
        super().__init__(wishes)
        self._application = application
        access = StreamKeys(application, {STREAM: stream_key})
        self._server = RtmpServer(host, port, access, self._carry)

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(exception_type, exception, traceback)
        await self.close()

    @property
    def address(self) -> str:
        return f"rtmp://{join_address(*self._server.address)}/{self._application}"

    async def _carry(self, publisher: Publisher) -> None:
        self.begin()
        async for unit in publisher:
            await self.take(unit, publisher.t_in_us)
