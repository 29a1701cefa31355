"""The protocol layer by itself: what the shards run, behind plain functions."""

from typing import final

def encode_frame(data: bytes, opcode: int, *, rsv1: bool = False) -> bytes:
    """One unmasked frame with FIN set."""

def mask(data: bytes, key: bytes, phase: int = 0) -> bytes:
    """XOR with a 4-byte key, starting `phase` bytes into it. Raises ValueError for another size."""

def utf8_check(data: bytes, state: int = 0) -> int:
    """The new state: 0 is complete and valid, -1 invalid, else what is owed (pass it back in)."""

def accept_key(key: bytes) -> bytes:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key. Raises ValueError for another size than 24."""

def hmac_sha256(secret: bytes, message: bytes) -> bytes:
    """For a secret of at most 64 bytes and a message of at most 55. Raises ValueError."""

def verify_ticket(secret: bytes, text: bytes, now: int) -> tuple[int, int, bool] | None:
    """(voter, expires, monitor); None: forged, or expired at the Unix second `now`."""

def sign_ticket(secret: bytes, voter: int, expires: int, flags: int = 0) -> bytes:
    """The text of a ticket. Raises ValueError for a secret of more than 64 bytes."""

def scan_json(pieces: list[bytes], keys: list[bytes]) -> bytes | None:
    """What a crowd's scanner finds in one object or array that comes in these pieces, as lines:
    a kind (`{` `}` `"` `0` `w`), the path (numbers of keys, from 1, in hexadecimal), and the text
    or number of a scalar. None: it is no JSON, or not all of it.
    """

@final
class BucketTable:
    """The buckets of addresses, by key (64 bits)."""

    def take(self, key: int, now_ms: int, per_second: int, burst: int) -> bool:
        """Whether there was a token."""

@final
class PresenceTable:
    """Connections by key (64 bits, not 0), as counted channels have it."""

    def join(self, key: int) -> bool:
        """Whether it is the key's first connection."""

    def leave(self, key: int) -> bool:
        """Whether it was the key's last."""

def deflate(data: bytes, window_bits: int = 15) -> bytes:
    """A message's payload as RFC 7692 sends it. Raises ValueError."""

def inflate(data: bytes, limit: int) -> bytes:
    """The reverse. Raises ValueError: "corrupt", or "too big" for more than `limit` bytes."""

def parse_request(head: bytes) -> dict[str, str | int | bool]:
    """A complete head; "status" is 0, or the HTTP status it is refused with (-1: not HTTP).

    Raises ValueError for an unfinished head.
    """

@final
class FrameParser:
    """A server's reader of one client's frames."""

    def __init__(
        self, *, message_bytes_max: int = 65536, fragments_max: int = 4096, deflate: bool = False
    ) -> None: ...
    def feed(
        self, data: bytes
    ) -> list[tuple[str, int, bytes] | tuple[str, bytes] | tuple[str, int]]:
        """("message", opcode, data), ("ping", data), ("pong", data),
        ("close", code or None, reason), ("error", close code): after the last two nothing."""
