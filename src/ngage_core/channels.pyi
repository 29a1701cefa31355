from typing_extensions import disjoint_base

@disjoint_base
class Channels:
    """The part of Engine that is about channels."""

    def channel(
        self,
        name: str,
        *,
        lag: int,
        ring_frames: int,
        ring_bytes: int,
        lag_ms: int = 0,
        tick_ms: int = 0,
        deflate: bool = True,
        cache: bool = False,
        counted: bool = False,
        hidden: bool = False,
        epoch: int = 0,
        first: int = 1,
    ) -> int:
        """Create a channel, or find it: its number. Options of an existing one stay as they are.

        cache: who joins gets the newest publication at once. counted: viewers() tells of it.
        hidden: as hide().
        epoch (32 bits) restores the log of another process: its next publication has the offset
        `first`, at most 2**53. It must not exist then. 0 starts a new log with a random epoch.
        Raises ValueError (bad name or option) and OverflowError (channels_max reached).
        """

    def view(self, channel: int, name: str, *, tick_ms: int) -> int:
        """Another name for a channel's log, with a tick and subscribers of its own: its number.

        For subscribers, subscribers() and close_channel() it is a channel, for the rest it is the
        one it shows. One that exists stays as it is. Raises ValueError for a name that something
        else has, and over views_max; OverflowError as channel().
        """

    def ladder(self, rungs: tuple[int, ...], *, last_resort: bool = False) -> None:
        """Make channels (or views) the rungs of a ladder, the highest first; all are `keyframe`.

        A subscriber changes from one to another at sync points of the same group. last_resort: the
        lowest is only for who misses most of every group on the one above. A ladder may be
        made anew with more rungs at its lower end. Raises ValueError for anything else, and over
        rungs_max.
        """

    def publish(
        self,
        channel: int,
        data: bytes,
        opcode: int,
        sync: bool = False,
        group: int = 0,
        independent: bool = False,
        fields: bytes | None = None,
    ) -> int:
        """Append one publication; returns its offset (the first is 1).

        fields: where there is a push_log(), the publication in it: the members of its JSON object,
        without braces and offset. None: its data is null.
        sync marks a sync point: a `keyframe` channel starts joiners and skips the slow to it.
        group is what it has in common with sync points of other rungs (64 bits). independent: of
        use to who waits for a sync point. Raises ValueError if data is over ring_bytes of the
        channel or, as text, not UTF-8.
        """

    def preamble(self, channel: int, data: bytes, opcode: int) -> None:
        """What every subscriber gets before its first frame (an init segment); b"" removes it.

        A subscriber who has had an older preamble gets the new one before the first publication
        that came after it. Who joins a `keyframe` channel waits for a sync point after it.
        """

    def position(self, channel: int) -> tuple[str, int]:
        """(epoch, offset of the newest publication; 0 before the first)."""

    def hide(self, channel: int, hidden: bool) -> None:
        """Whether the raw protocol finds it and its views not; who is subscribed stays."""

    def push_log(self, channel: int, held: list[bytes]) -> int:
        """A second log of the same publications as pushes of the client protocol: its number.

        held: for each publication that the log holds, oldest first, what publish() calls fields.
        One that exists stays as it is. subscribe() of an Engine takes its number. Raises ValueError
        for another count, OverflowError as channel().
        """

    def viewers(self, channel: int) -> tuple[int, int]:
        """(connections, unique viewers) of a counted channel, monitors left out, at once.

        A viewer who says who it is counts once, any other for each connection.
        """

    def subscribers(self, channel: int) -> int:
        """In all its views and in the rungs below it; of a view, its own."""

    def history(
        self, channel: int, *, since: int = 0, limit: int = 0, reverse: bool = False
    ) -> list[tuple[int, int, bytes]]:
        """(offset, opcode, data) of held publications after offset `since`; limit 0 is no limit."""

    def log(
        self, channel: int
    ) -> tuple[int, int, list[tuple[int, int, bool, int, bool]], tuple[int, bytes] | None]:
        """What channel(), publish() and preamble() need, beside history(), to restore the log.

        (epoch, offset of the oldest held or else of the next, (bytes, opcode, sync, group,
        independent) of each held, (opcode, data) of the preamble).
        """
