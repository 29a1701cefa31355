"""What to say about a word that nobody knows."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a complaint about an unknown word: the nearest one, else all there are."""
    words = list(known)
    near = difflib.get_close_matches(word, words, 1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(words)}" if words else "; there are none"
