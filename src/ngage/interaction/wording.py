"""What people write, made fit to show: one normal form, nothing unseen, nothing that acts.

Gone are control characters, what turns the direction of the text around it, invisible characters
that only serve to cheat (joiners stay: scripts and emoji need them), and private ones.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from ngage.errors import RefusalCode, RefusedError, SettingsError
from ngage.interaction.emoji import TAGGED_FLAG
from ngage.limits import WORDS_FILE_BYTES_MAX, WORDS_MAX

# Text in, text out, None to refuse it; must not raise.
Filter = Callable[[str], str | None]

_DROPPED = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls that are no whitespace
    "\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"  # invisible
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates (UAX #9)
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff"  # no characters, private ones
    "\U000e0000-\U000e007f"  # tags
)
# A tag sequence that is a flag stays whole.
_DROP = re.compile(f"({TAGGED_FLAG})|[{_DROPPED}]")
_SPACE = re.compile(r"\s+")
# Joiners, marks of direction, variation selectors, and letters that are blank: alone they are
# nothing.
_BLANK = re.compile("[\\s\u034f\u061c\u115f\u1160\u200c-\u200f\u2800\u3164\ufe00-\ufe0f\uffa0]*")
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))
# NFC sorts marks by insertion, so its time grows with their number squared: 1.7 s for 64 KB.
RAW_LENGTH_FACTOR = 2


def clean(text: str, chars_max: int) -> str:
    """`text` in NFC, of at most so many code points, its whitespace single spaces.

    Raises RefusedError for what is longer, and for what has nothing to see.
    """
    if len(text) > chars_max * RAW_LENGTH_FACTOR:
        raise _too_long(chars_max)
    shown = unicodedata.normalize("NFC", _DROP.sub(r"\1", text))
    shown = _SPACE.sub(" ", shown).strip()
    if len(shown) > chars_max:
        raise _too_long(chars_max)
    if _BLANK.fullmatch(shown):
        raise RefusedError(RefusalCode.REJECTED, "empty")
    return shown


def _too_long(chars_max: int) -> RefusedError:
    return RefusedError(RefusalCode.REJECTED, f"too long: at most {chars_max} characters")


class WordFilter:
    """Refuses what holds one of some words or phrases, whole and in whatever case and width."""

    def __init__(self, words: Iterable[str]) -> None:
        self._phrases = {phrase for words_of in words if (phrase := tuple(_words(words_of)))}
        self._lengths = sorted({len(phrase) for phrase in self._phrases})

    @classmethod
    def read(cls, path: str) -> "WordFilter":
        """The words of a file, one or a phrase a line; # starts a comment. Raises SettingsError."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(WORDS_FILE_BYTES_MAX + 1)
            lines = data.decode().splitlines()
        except OSError as error:
            raise SettingsError(f"chat_words_file = {path!r}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"chat_words_file = {path!r}: it is not UTF-8") from None
        if len(data) > WORDS_FILE_BYTES_MAX or len(lines) > WORDS_MAX:
            raise SettingsError(f"chat_words_file = {path!r}: at most {WORDS_MAX} words, 4 MiB")
        return cls(line.partition("#")[0] for line in lines)

    def __call__(self, text: str) -> str | None:
        """`text`, or None if it holds such a word."""
        words = _words(text)
        for length in self._lengths:
            for start in range(len(words) - length + 1):
                if tuple(words[start : start + length]) in self._phrases:
                    return None
        return text


def _words(text: str) -> list[str]:
    """The words of `text`, folded; a mark belongs to the letter before it, as in Hindi."""
    folded = unicodedata.normalize("NFKC", text.translate(_JOINERS)).casefold()
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in folded)
    return "".join(kept).split()
