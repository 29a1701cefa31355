"""The logs of an edge as bytes, for a successor that restores them before it serves.

A file holds for each channel a head (its size in four bytes, then msgpack) and the data of its
publications, oldest first and nothing between them; a head of no bytes is the end. Both sides hold
one publication at a time in memory of their own. Deflated variants are left out: nobody is
connected who could ask for them, and compressing again would be most of the pause.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, BinaryIO

import msgspec

from ngage.api import Edge
from ngage.channel import Channel
from ngage.errors import ChannelError, HandoverError
from ngage.settings import ChannelOptions

MAGIC = b"ngage logs 2\n"
HEAD_SIZE_BYTES = 4
# limits.pxd: 1,048,576 publications and a preamble of 64 MiB fit into a head.
HEAD_BYTES_MAX = 128 << 20
DATA_BYTES_MAX = 64 << 20


class _Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    size: Annotated[int, msgspec.Meta(ge=0, le=DATA_BYTES_MAX)]
    text: bool
    sync: bool
    group: Annotated[int, msgspec.Meta(ge=0)]
    independent: bool


class _Head(msgspec.Struct, frozen=True, array_like=True):
    name: str
    options: ChannelOptions
    epoch: Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
    first: Annotated[int, msgspec.Meta(ge=1)]
    held: list[_Held]
    preamble: bytes
    preamble_is_text: bool
    views: dict[str, int]
    rungs: tuple[str, ...]
    last_resort: bool


def write_logs(file: BinaryIO, channels: Mapping[str, Channel]) -> None:
    """Write what every channel holds. Publishing meanwhile is up to the caller to prevent."""
    file.write(MAGIC)
    for name, channel in channels.items():
        log = channel.log()
        text = isinstance(log.preamble, str)
        preamble = log.preamble.encode() if isinstance(log.preamble, str) else log.preamble
        held = [_Held(*publication) for publication in log.held]
        about = (channel.options, log.epoch, log.first, held, preamble, text)
        head = _Head(name, *about, channel.views, channel.rungs, channel.last_resort)
        encoded = msgspec.msgpack.encode(head)
        file.write(len(encoded).to_bytes(HEAD_SIZE_BYTES, "big"))
        file.write(encoded)
        for offset in range(log.first, log.first + len(held)):
            (publication,) = channel.history(since=offset - 1, limit=1)
            data = publication.data
            file.write(data.encode() if isinstance(data, str) else data)
    file.write(bytes(HEAD_SIZE_BYTES))
    file.flush()


def restore_logs(file: BinaryIO, edge: Edge) -> None:
    """Give a prepared edge the channels that write_logs() wrote.

    A channel that the edge's settings declare gets the options it has there; what then no longer
    fits is forgotten from the oldest on. Raises HandoverError for data cut short or foreign.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise HandoverError("the logs handed over are of another version: restart instead")
    ladders: list[tuple[tuple[str, ...], bool]] = []
    while size := int.from_bytes(_read(file, HEAD_SIZE_BYTES), "big"):
        if size > HEAD_BYTES_MAX:
            raise HandoverError(f"the logs handed over have a head of {size} bytes")
        try:
            head = msgspec.msgpack.decode(_read(file, size), type=_Head)
            _restore_log(file, edge, head)
            if head.rungs:
                ladders.append((head.rungs, head.last_resort))
        except (msgspec.DecodeError, ChannelError, UnicodeDecodeError) as error:
            raise HandoverError(f"the logs handed over cannot be read: {error}") from None

    try:
        for rungs, last_resort in ladders:
            edge.ladder([edge.channels[name] for name in rungs], last_resort=last_resort)
    except (KeyError, ChannelError) as error:
        raise HandoverError(f"the logs handed over have a ladder of others: {error}") from None


def _restore_log(file: BinaryIO, edge: Edge, head: _Head) -> None:
    options = edge.settings.channels.get(head.name, head.options)
    lost = _count_lost(head.held, options.ring_bytes)
    channel = edge.restore(head.name, options, head.epoch, head.first + lost)
    channel.preamble(_decode(head.preamble, text=head.preamble_is_text))
    for name, tick_ms in head.views.items():
        channel.view(name, tick_ms)
    for number, held in enumerate(head.held):
        data = _read(file, held.size)
        if number >= lost:
            channel.publish(
                _decode(data, text=held.text),
                held.sync,
                group=held.group,
                independent=held.independent,
            )


def _count_lost(held: Sequence[_Held], ring_bytes: int) -> int:
    """How many of the oldest must go, for none that stays to be larger than the ring."""
    large = (i for i, one in enumerate(held, 1) if _frame_bytes(one.size) > ring_bytes)
    return max(large, default=0)


def _frame_bytes(size: int) -> int:
    """Of an unmasked frame (RFC 6455 section 5.2), which is what a ring counts."""
    return size + (2 if size < 126 else 4 if size < 65536 else 10)


def _decode(data: bytes, *, text: bool) -> bytes | str:
    return data.decode() if text else data


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise HandoverError("the logs handed over are cut short")
    return data
