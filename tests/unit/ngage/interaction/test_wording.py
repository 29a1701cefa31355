"""What text may hold, what is an emoji, what a word filter finds."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import RefusedError, SettingsError
from ngage.interaction.authors import shown_name
from ngage.interaction.emoji import is_emoji_only
from ngage.interaction.wording import WordFilter, clean

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

# "I want": letters that a joiner keeps apart.
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  hello,\r\n\tworld \x00\x07", "hello, world"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),
        ("abc\u202edcba\u202c", "abcdcba"),
        ("\u2067a\u2066b\u2069", "ab"),
        ("a\u00ad\ufeff\u2060b", "ab"),
        ("\ud800a\ue000b\U0010fffdc", "abc"),
        ("a\u2028b\u0085c\x1fd", "a b c d"),
        (PERSIAN, PERSIAN),
        ("क्\u200dष", "क्\u200dष"),
        ("👨\u200d👩\u200d👧 ❤️", "👨\u200d👩\u200d👧 ❤️"),
        (ENGLAND, ENGLAND),
        ("a" + ENGLAND[1:], "a"),
        ("שלום\u200f!", "שלום\u200f!"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


@pytest.mark.parametrize(
    "text", ["", " \n ", "\u200b", "\u200d\ufe0f", "\u3164", "\u2800 \u115f", "\u202e", "\ue000"]
)
def test_nothing_to_see_is_empty(text: str) -> None:
    with pytest.raises(RefusedError, match=r"^empty$"):
        clean(text, 100)


def test_length_counts_what_is_shown() -> None:
    assert len(clean("e\u0301" * 10, 10)) == 10
    for text in ("x" * 11, "x" * 21, "\u0301" * 100_000):
        with pytest.raises(RefusedError, match=r"^too long: at most 10 characters$"):
            clean(text, 10)


@given(st.text(max_size=40))
def test_what_is_shown_is_normal_and_stays_so(text: str) -> None:
    try:
        shown = clean(text, 100)
    except RefusedError:
        return
    assert unicodedata.is_normalized("NFC", shown)
    assert clean(shown, 100) == shown
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Co"} for c in shown)


@pytest.mark.parametrize(
    "text",
    [
        "👍",
        "👍🏽",
        " 😀 😂\n",
        "👨\u200d👩\u200d👧\u200d👦",  # family, joined
        "👩🏽\u200d🚀",  # astronaut with a skin
        "🏳️\u200d🌈",
        "❤️\u200d🔥",
        "🇮🇳",
        "🇮🇳🇧🇷",
        "1️⃣#️⃣*️⃣",
        ENGLAND,
        "❤️",
        "❤",
        "🏽",
    ],
)
def test_emoji(text: str) -> None:
    assert is_emoji_only(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hi",
        "👍 ok",
        "123",
        "#",
        "1\ufe0f",
        "🇮",  # half a flag
        "🇮🇳🇧",
        "\u200d",
        "👨\u200d",
        "\ufe0f",
        "👍\ufe0e",  # asks to be text
        ENGLAND[:-1],
        "\U0001f3f4" + "\U000e0061" * 7 + "\U000e007f",
        "\u0301",
    ],
)
def test_no_emoji(text: str) -> None:
    assert not is_emoji_only(text)


@given(st.text(alphabet="👍🏽❤️\u200d🇮🇳1️⃣a ", max_size=500))
def test_any_mixture_is_judged(text: str) -> None:
    assert is_emoji_only(text) in {True, False}
    assert not (is_emoji_only(text) and "a" in text)


def test_a_filter_finds_whole_words_in_any_case_and_width() -> None:
    words = WordFilter(["Damn", "stra\u00dfe", "free money", "\u0917\u093e\u0932\u0940"])
    for text in (
        "damn",
        "DAMN!",
        "(Damn)",
        "\uff44\uff41\uff4d\uff4e",
        "da\u200dmn",
        "STRASSE",
        "get FREE,  money now",
        "\u092f\u0939 \u0917\u093e\u0932\u0940 \u0939\u0948",
    ):
        assert words(text) is None, text
    for text in ("damnation", "free my money", "\u0917\u093e\u0932", "hello"):
        assert words(text) == text


def test_a_filter_reads_a_word_or_a_phrase_a_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# of the host\nfoo\n\nbar baz # both\n")
    words = WordFilter.read(str(path))
    assert [words(text) for text in ("Foo", "bar baz", "bar", "host")] == [
        None,
        None,
        "bar",
        "host",
    ]


def test_an_unreadable_file_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"chat_words_file = .*No such file"):
        WordFilter.read(str(tmp_path / "none"))
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(SettingsError, match="not UTF-8"):
        WordFilter.read(str(tmp_path / "latin"))
    (tmp_path / "long").write_bytes(b"x" * (4 << 20) + b"y")
    with pytest.raises(SettingsError, match="at most"):
        WordFilter.read(str(tmp_path / "long"))


@pytest.mark.parametrize(
    ("info", "given", "name"),
    [
        (b'{"name": "Asha"}', "other", "Asha"),
        (None, " Ravi\u202e ", "Ravi"),
        (b'{"age": 3}', "Ravi", "Ravi"),
        (b'{"name": 3}', "Ravi", "Ravi"),
        (b"[]", "", ""),
        (None, "x" * 33, ""),
    ],
)
def test_a_name_comes_from_the_token_first(info: bytes | None, given: str, name: str) -> None:
    assert shown_name(info, given) == name
