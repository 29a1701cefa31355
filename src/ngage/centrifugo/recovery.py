"""What somebody who subscribes has missed, and what the reply says of it.

Between reading the channel's position here and subscribing there is no await, so nothing can be
published in between: the position in the reply is the one the subscription begins at.
"""

from ngage.centrifugo import codec
from ngage.centrifugo.clients import Channel
from ngage.centrifugo.codes import ErrorCode, refuse
from ngage.events import Position
from ngage.limits import RECOVERED_PUBLICATIONS_MAX
from ngage.settings import NamespaceOptions

REJECT_UNRECOVERED = 2  # of SubscribeRequest.flag


def recover(
    channel: Channel, options: NamespaceOptions, request: codec.SubscribeRequest
) -> tuple[int | None, bytes]:
    """After which offset the subscription begins, None for live, and members of its result.

    The result has the position that was recovered from, which the publications after it move on;
    without recovery the newest. Raises CommandError if the client wants all or nothing.
    """
    cache = channel.options.cache or options.recovery == "cache"
    asked = options.history and request.recoverable
    recoverable = cache or options.recovery == "position" or asked
    if not recoverable and not (options.history and request.positioned):
        return None, b""
    position = channel.position
    since: int | None = None
    recovered = False
    offset = position.offset
    if cache:
        since, recovered = _newest(channel, position, request)
        if since is not None:
            offset = request.offset if request.recover else since
    elif recoverable and request.recover:
        since, recovered = _missed(channel, position, request)
        if recovered:
            offset = request.offset
    if request.recover and not recovered and request.flag & REJECT_UNRECOVERED:
        raise refuse(ErrorCode.UNRECOVERABLE_POSITION)
    members = codec.joined(
        b'"recoverable":true' if recoverable else b"",
        b'"epoch":"%b"' % position.epoch.encode(),
        b'"recovered":true' if recovered else b"",
        b'"offset":%d' % offset if offset else b"",
        b'"positioned":true',
        b'"was_recovering":true' if recoverable and request.recover else b"",
    )
    return since, members


def _missed(
    channel: Channel, position: Position, request: codec.SubscribeRequest
) -> tuple[int | None, bool]:
    """All that came after the position of the client, if it is still held."""
    since = request.offset
    missing = position.offset - since
    if request.epoch not in {"", position.epoch}:
        return None, False
    if missing == 0:
        return None, True
    if not 0 < missing <= RECOVERED_PUBLICATIONS_MAX:
        return None, False
    oldest = channel.history(since=since, limit=1)
    if not oldest or oldest[0].offset != since + 1:
        return None, False
    return since, True


def _newest(
    channel: Channel, position: Position, request: codec.SubscribeRequest
) -> tuple[int | None, bool]:
    """The newest publication, unless the client has it, whether it was here before or not."""
    same = request.recover and position == Position(request.epoch, request.offset)
    if same and position.offset:
        return None, True
    if not position.offset or not channel.history(since=position.offset - 1, limit=1):
        return None, False
    return position.offset - 1, True
