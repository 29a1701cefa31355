"""The bare C sender, told how to send."""

from collections.abc import Sequence
from typing import Any

from bench.levers.lever import Absent, filled
from bench.levers.networks import Network
from bench.scale.estimate import ScaleError
from bench.scale.servers import Floor

# What every lever begins with, whatever the one before has left.
BEFORE_EACH = ("at_once {cores}", "stagger 0", "pin 0")


class Sender(Floor):
    """way: of floor/crowd.c, for the next publication. copied: those without copying that were
    copied after all, so far."""

    def __init__(
        self, fans: int, network: Network, *, spare: int = 1, start: Sequence[str] = ()
    ) -> None:
        super().__init__(
            fans, address=network.address, spare=spare, start=start, within=network.within
        )
        self.fans = fans
        self.way = "send"
        self.copied = 0

    def publish(self, payload: bytes) -> None:
        """To everybody."""
        self._write(f"{self.way} {len(payload)}\n".encode() + payload)

    def check(self, answer: dict[str, Any]) -> None:
        if "refused" in answer:
            raise Absent(f"the kernel refuses {self.way}: {answer['refused']}")
        super().check(answer)
        self.copied = answer["copied"]

    def order(self, orders: Sequence[str]) -> None:
        """Raises Absent if an option was not set on every socket."""
        for order in orders:
            told = filled(order, fans=self.fans, cores=self.cores, threads=self.threads)
            self._write(f"{told}\n".encode())
            done = self._answer()["done"]
            if order.startswith("option") and done != self.fans:
                raise Absent(f"{order!r} was refused on {self.fans - done:,} sockets")

    def _write(self, line: bytes) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.write(line)
        except BrokenPipeError as error:
            raise ScaleError(f"the sender has ended: {self.complaint()}") from error
