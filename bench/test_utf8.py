"""What does the UTF-8 check of inbound text cost? The floor is CPython's decoder, which copies."""

from functools import partial

import pytest

from bench.turns import Versus
from ngage_core.protocol import utf8_check

TEXTS = {
    "64 bytes of ASCII": "a" * 64,
    "4 KiB of ASCII": "a" * 4096,
    "4 KiB of German": "Größe für alle, " * 240,
    "4 KiB of Hindi": "नमस्ते " * 215,
    "4 KiB of emoji": "🎉" * 1024,
}


@pytest.mark.parametrize("what", TEXTS)
def test_utf8(versus: Versus, what: str) -> None:
    text = TEXTS[what].encode()
    assert utf8_check(text) == 0
    versus(f"check {what}", partial(utf8_check, text), {"CPython's decoder": text.decode})
