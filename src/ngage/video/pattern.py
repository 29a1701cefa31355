"""A moving test picture with a running clock, and a beep on each full second.

The bottom rows carry the time of drawing as 40 blocks of luma, white for 1: the Unix time in
milliseconds modulo 2**32 as 32 bits, most significant first, then 8 bits of checksum (the sum of
its four bytes modulo 256, inverted). Whoever sees the picture can tell its age.
"""

import math
import time
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ngage.video.programme import I420, SAMPLE_RATE, TIMESCALE, Picture, Sound

STRIP_BLOCKS = 40

_BLACK, _WHITE, _NEUTRAL = 16, 235, 128
_FLASH_MS = 100
# 75 % colour bars as (Y, Cb, Cr) of ITU-R BT.601.
_BARS = (
    *((180, 128, 128), (162, 44, 142), (131, 156, 44), (112, 72, 58)),
    *((84, 184, 198), (65, 100, 212), (35, 212, 114), (_BLACK, 128, 128)),
)
# 5 x 7 dots: a row is five bits, most significant on the left.
_GLYPHS = {
    "0": (0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E),
    "1": (0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E),
    "2": (0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F),
    "3": (0x0E, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0E),
    "4": (0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02),
    "5": (0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E),
    "6": (0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E),
    "7": (0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08),
    "8": (0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E),
    "9": (0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C),
    ":": (0x00, 0x04, 0x04, 0x00, 0x04, 0x04, 0x00),
    ".": (0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x06),
}


def strip_bits(unix_ms: int) -> list[int]:
    """The 40 bits painted for a time, first block first."""
    code = (unix_ms % 2**32).to_bytes(4, "big")
    code += bytes((255 - sum(code) % 256,))
    return [byte >> 7 - bit & 1 for byte in code for bit in range(8)]


class Pattern:
    """Width is a multiple of 80, so that a block of the strip is whole pixels of chroma too."""

    def __init__(self, width: int = 640, height: int = 360, fps: int = 30) -> None:
        if width % (2 * STRIP_BLOCKS) or height % 2:
            raise ValueError(f"test picture of {width}x{height}: width must be a multiple of 80")
        self.width, self.height, self.fps = width, height, float(fps)
        self._frame_ticks = TIMESCALE // fps
        self._phase = 0
        self._ground = _ground(width, height)
        self._wave = _wave(width, height)
        self._second = _second_of_sound()

    def pictures(self) -> Iterator[Picture]:
        # Turns the sound so that it beeps when the clock in the picture shows a full second.
        self._phase = time.time_ns() % 10**9 * SAMPLE_RATE // 10**9
        pts = 0
        while True:
            yield Picture(pts, self._frame_ticks, self.draw)
            pts += self._frame_ticks

    def draw(self) -> I420:
        """The picture of this moment."""
        unix_ms = time.time_ns() // 1_000_000
        image = self._ground.copy()
        luma = image[: self.height]
        chroma_blue, chroma_red = _chroma(image, self.width, self.height)
        top = self.height // 9
        shift = unix_ms // 25 % (self.width // 2)
        chroma_blue[top // 2 :] = self._wave[top // 2 :, shift : shift + self.width // 2]
        chroma_red[top // 2 :] = self._wave[
            top // 2 :, -1 - shift : -1 - shift - self.width // 2 : -1
        ]
        self._draw_ball(luma, unix_ms)
        if unix_ms % 1000 < _FLASH_MS:
            luma[top : 2 * top, -top:] = _WHITE
        self._draw_clock(luma, unix_ms)
        self._draw_strip(image, unix_ms)
        return image

    def sound(self, position: int, count: int) -> Sound:
        at = np.arange(position + self._phase, position + self._phase + count) % SAMPLE_RATE
        return np.stack((self._second[at],) * 2)

    def close(self) -> None:
        """Nothing is held."""

    def _draw_ball(self, luma: NDArray[np.uint8], unix_ms: int) -> None:
        """Once around in three seconds."""
        ball = _disc(self.height // 14)
        angle = unix_ms % 3000 / 3000 * 2 * math.pi
        room_x, room_y = self.width - ball.shape[1], self.height * 5 // 9 - ball.shape[0]
        left = int(room_x * (1 + math.sin(angle)) / 2)
        top = int(self.height / 4 + room_y * (1 + math.cos(angle)) / 2)
        luma[top : top + ball.shape[0], left : left + ball.shape[1]][ball] = 130

    def _draw_clock(self, luma: NDArray[np.uint8], unix_ms: int) -> None:
        seconds, milliseconds = divmod(unix_ms, 1000)
        text = f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{milliseconds:03}"
        scale = self.width // 80
        dots = np.concatenate([_glyph(character, scale) for character in text], axis=1)
        top, left = (self.height - dots.shape[0]) // 2, (self.width - dots.shape[1]) // 2
        luma[top : top + dots.shape[0], left : left + dots.shape[1]][dots] = _WHITE

    def _draw_strip(self, image: I420, unix_ms: int) -> None:
        rows = self.width // STRIP_BLOCKS
        bits = np.array(strip_bits(unix_ms), dtype=np.uint8)
        image[self.height - rows : self.height] = np.repeat(
            _BLACK + bits * (_WHITE - _BLACK), self.width // STRIP_BLOCKS
        )
        for plane in _chroma(image, self.width, self.height):
            plane[(self.height - rows) // 2 :] = _NEUTRAL


def _chroma(image: I420, width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Views of the two chroma planes, each (height / 2, width / 2)."""
    planes = image[height:].reshape(2, height // 2, width // 2)
    return planes[0], planes[1]


def _ground(width: int, height: int) -> I420:
    """What never changes: colour bars over a dark slope."""
    image = np.full((height * 3 // 2, width), _NEUTRAL, dtype=np.uint8)
    image[:height] = np.linspace(70, 30, height, dtype=np.uint8)[:, None]
    blue, red = _chroma(image, width, height)
    edges = [width * bar // (2 * len(_BARS)) for bar in range(len(_BARS) + 1)]
    bottom = height // 18
    for left, right, (y, cb, cr) in zip(edges, edges[1:], _BARS, strict=False):
        image[: 2 * bottom, 2 * left : 2 * right] = y
        blue[:bottom, left:right], red[:bottom, left:right] = cb, cr
    return image


def _wave(width: int, height: int) -> NDArray[np.uint8]:
    """A chroma plane twice as wide as the picture and periodic, so that a slice of it moves."""
    columns = np.arange(width) * (4 * math.pi / width)
    rows = np.arange(height // 2)[:, None] * (2 * math.pi / height)
    wave: NDArray[np.uint8] = (_NEUTRAL + 24 * np.sin(columns + rows)).astype(np.uint8)
    return wave


def _second_of_sound() -> NDArray[np.float32]:
    """A quiet 440 Hz tone, over it 1 kHz while the flash is shown: whole periods in one second."""
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    sound = 0.03 * np.sin(2 * math.pi * 440 * at)
    sound += np.where(at < _FLASH_MS / 1000, 0.2 * np.sin(2 * math.pi * 1000 * at), 0)
    return sound.astype(np.float32)


@cache
def _disc(radius: int) -> NDArray[np.bool_]:
    at = np.arange(-radius, radius + 1)
    disc: NDArray[np.bool_] = at[:, None] ** 2 + at**2 <= radius**2
    return disc


@cache
def _glyph(character: str, scale: int) -> NDArray[np.bool_]:
    """(7, 6) dots times scale: one column of space on the right."""
    rows = [[row >> 4 - bit & 1 for bit in range(5)] + [0] for row in _GLYPHS[character]]
    return np.kron(np.array(rows, dtype=np.bool_), np.ones((scale, scale), dtype=np.bool_))
