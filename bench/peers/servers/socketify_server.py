"""socketify: a topic of uWebSockets, published to natively; Python sees the publisher only.

One thread. uWebSockets frames once and sends what was published in a turn of the loop together.
Its options are those of uWebSockets.js (WebSocketBehavior): no compression, no idle timeout, and a
backpressure limit that drops nothing here.

App.run() polls libuv from asyncio, spinning for 10,000 turns after every event (socketify/loop.py).
Nothing here is a coroutine, so libuv itself waits instead, as uWebSockets does when alone: several
times less CPU. The listen backlog is 512 in uSockets and cannot be set.
"""

from lifetime import port_wanted, ready
from socketify import App, AppListenOptions, CompressOptions, OpCode, WebSocket

TOPIC = "stage"
BACKPRESSURE_BYTES = 64 << 20
PAYLOAD_BYTES = 16 << 20

app = App(lifespan=False)


def publish(_: WebSocket, message: bytes | None, opcode: OpCode) -> None:
    if opcode == OpCode.BINARY:
        app.publish(TOPIC, message, OpCode.BINARY)


quiet = {
    "compression": CompressOptions.DISABLED,
    "idle_timeout": 0,
    "max_backpressure": BACKPRESSURE_BYTES,
    "max_payload_length": PAYLOAD_BYTES,
}
app.ws("/ws/*", {**quiet, "open": lambda socket: socket.subscribe(TOPIC)})
app.ws("/publish", {**quiet, "message": publish})
app.listen(
    AppListenOptions(port=port_wanted(), host="127.0.0.1"), lambda config: ready(config.port)
)
app.loop.uv_loop.run()
