"""Bit fields, most significant bit first, as H.264 and AAC have them in their headers."""


class Bits:
    """Reads `data` from its first bit on. Each method raises ValueError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def fixed(self, count: int) -> int:
        """u(count)."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the parameters end too early")
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """ue(v) of ITU-T H.264, 9.1."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)

    def signed_golomb(self) -> int:
        """se(v), 9.1.1."""
        value = self.golomb()
        return (value + 1) // 2 if value & 1 else -(value // 2)
