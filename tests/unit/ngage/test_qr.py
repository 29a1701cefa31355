"""QR codes: what a camera needs of them, whatever the page looks like."""

import re

import pytest

from ngage.qr import QUIET_ZONE_MODULES, TEXT_CHARACTERS_MAX, encode_qr


def test_a_code_is_black_on_white_with_room_around_it():
    code = encode_qr("https://live.example/e/gala").decode()
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', code)[1])
    assert (size - 2 * QUIET_ZONE_MODULES - 17) % 4 == 0
    assert f'fill="#fff" d="M0 0h{size}v{size}h-{size}z"' in code
    assert f'stroke="#000" d="M{QUIET_ZONE_MODULES} {QUIET_ZONE_MODULES}.5h7' in code


def test_a_code_has_no_script_and_no_size():
    code = encode_qr("</svg><script>").decode()
    assert "<script" not in code
    assert "width" not in code


@pytest.mark.parametrize("text", ["", "x" * (TEXT_CHARACTERS_MAX + 1)])
def test_what_no_code_holds_is_refused(text):
    with pytest.raises(ValueError, match="characters"):
        encode_qr(text)


def test_the_longest_text_fits():
    assert encode_qr("ü" * TEXT_CHARACTERS_MAX)
