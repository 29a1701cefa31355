"""ngage as a library: what a client says on /ws/publish is published to /ws/stage.

After the README's example. The peers take no measures against a publisher who says a lot, so its
limits are as wide as they go.
"""

import uvloop
from lifetime import port_wanted, ready

import ngage


async def main() -> None:
    async with ngage.Edge(
        listen=f"127.0.0.1:{port_wanted()}",
        congestion_control="",
        inbound_messages_per_second=65534,
        inbound_bytes_per_second=1 << 30,
    ) as edge:
        stage = edge.channel("stage")
        publishers = edge.channel("publish")
        ready(int(edge.url.rpartition(":")[2]))
        async for message in edge.messages():
            if message.channel == publishers.name:
                stage.publish(message.data)


uvloop.run(main())
