"""picows: its core API, one send() for each client, on uvloop. One thread.

After examples/broadcast_server.py of picows; send() copies a small message behind its header and
writes at once. It brings aiofastnet, which is its default transport. The read buffer is of every
connection and 16 KiB unless told otherwise; viewers send next to nothing.
"""

import uvloop
from lifetime import BACKLOG, port_wanted, ready
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

READ_BUFFER_BYTES = 512

subscribers: set[WSTransport] = set()


class Subscriber(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        subscribers.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        subscribers.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


class Publisher(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            message = frame.get_payload_as_bytes()
            for subscriber in subscribers:
                subscriber.send(WSMsgType.BINARY, message)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


def listener(request: WSUpgradeRequest) -> WSListener | None:
    if request.path.startswith(b"/ws/"):
        return Subscriber()
    return Publisher() if request.path == b"/publish" else None


async def main() -> None:
    server = await ws_create_server(
        listener,
        "127.0.0.1",
        port_wanted(),
        backlog=BACKLOG,
        websocket_handshake_timeout=None,
        enable_auto_pong=True,
        read_buffer_init_size=READ_BUFFER_BYTES,
    )
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


uvloop.run(main())
