"""The admin listener: uvicorn on a bound socket, which can stop for a moment and lose no caller.

pause() leaves each connection between two requests, unread: what its caller sends now waits in the
kernel, as new connections wait in the listener's queue. resume() goes on; or another process adopts
the connections, and release() lets go of them here without a word to the callers.
"""

import asyncio
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ngage.errors import StartError
from ngage.options import split_address

# How long open requests may take once the listener stops or pauses.
STOP_SECONDS = 1
POLL_SECONDS = 0.001
BACKLOG = 128


def bind_admin(address: str) -> socket.socket:
    """A listening socket on HOST:PORT; StartError if it cannot be had."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on admin {address}: {error.strerror}") from error
    return listener


class AdminServer:
    """Serves an application on a socket while the context is open; the socket is its caller's.

    `adopted` are connections that another process has paused.
    """

    def __init__(
        self, app: Starlette, listener: socket.socket, adopted: Iterable[socket.socket] = ()
    ) -> None:
        self._gate = _Gate()
        config = uvicorn.Config(
            app,
            http=partial(_Connection, self._gate),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._server = _Server(config, listener)
        self._adopted = adopted

    async def __aenter__(self) -> Self:
        self._serving = asyncio.ensure_future(self._server.serve())
        await self._server.listening.wait()
        for connection in self._adopted:
            await self._server.adopt(connection)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop accepting, let open requests end. Idempotent."""
        self._server.should_exit = True
        await self._serving

    async def pause(self) -> list[int]:
        """Answer what has been asked, then nothing more: descriptors of the connections there are.

        A request that is still on its way after a second is cut off; it has had no effect.
        """
        await self._server.listening.wait()
        self._gate.closed = True
        self._server.close_listener()
        # A connection that was accepted just now has its protocol in the loop's next round.
        await asyncio.sleep(0)
        for connection in self._gate.connections:
            connection.rest()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._gate.quiet()
        except TimeoutError:
            for connection in self._gate.busy():
                connection.transport.abort()
            await self._gate.quiet()
        return [connection.descriptor for connection in self._gate.connections]

    async def resume(self) -> None:
        """Answer again, after pause()."""
        self._gate.closed = False
        for connection in self._gate.connections:
            connection.go_on()
        await self._server.startup()

    def release(self) -> None:
        """Let go of the connections, after pause(), when another process has adopted them."""
        for connection in self._gate.connections:
            connection.transport.close()


class _Gate:
    """Whether requests are answered, and the connections that they come by."""

    def __init__(self) -> None:
        self.closed = False
        self.connections: set[_Connection] = set()

    def busy(self) -> list["_Connection"]:
        return [connection for connection in self.connections if not connection.idle]

    async def quiet(self) -> None:
        """Wait until every connection is between two requests."""
        while self.busy():
            await asyncio.sleep(POLL_SECONDS)


class _Connection(HttpToolsProtocol):
    """One that stops between two requests where the gate is closed."""

    def __init__(self, gate: _Gate, **rest: Any) -> None:
        super().__init__(**rest)
        self._gate = gate
        self._receiving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._gate.connections.add(self)
        self.rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.rest()

    def on_message_begin(self) -> None:
        self._receiving = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._receiving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.rest()

    @property
    def descriptor(self) -> int:
        """Of its socket."""
        number: int = self.transport.get_extra_info("socket").fileno()
        return number

    @property
    def idle(self) -> bool:
        """Whether all that was asked is answered and sent, and nothing has come since."""
        return self._between_requests() and self.transport.get_write_buffer_size() == 0

    def rest(self) -> None:
        """Read no more, if the gate is closed and this is the place."""
        if self._gate.closed and self._between_requests():
            self._unset_keepalive_if_required()
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again. Who kept the connection since an answer has the usual time from now on."""
        self.transport.resume_reading()
        if self.cycle is not None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _between_requests(self) -> bool:
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self._receiving and not self.transport.is_closing()


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to their owner, and says when it listens."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._listener = listener

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to ngage.lifecycle."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so. The loop closes its copy of the socket when it stops to accept."""
        await super().startup([self._listener.dup()])
        self.listening.set()

    def close_listener(self) -> None:
        """Accept nobody, until startup()."""
        for server in self.servers:
            server.close()

    async def adopt(self, connection: socket.socket) -> None:
        """Serve a connection that somebody else has accepted."""
        await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
