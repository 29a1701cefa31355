"""Stream keys: which stream a key publishes, in which application."""

import pytest

from ngage.video.rtmp.access import StreamKeys

KEYS = StreamKeys("live", {"main": "s3cret", "second": "schlüssel", "shut": ""})


@pytest.mark.parametrize(
    ("app", "key", "stream"),
    [
        ("live", "s3cret", "main"),
        ("live", "schlüssel", "second"),
        ("live", "main", None),
        ("live", "s3cret ", None),
        ("live", "s3cre", None),
        ("live", "", None),
        ("other", "s3cret", None),
    ],
)
def test_stream_of_a_key(app, key, stream):
    assert KEYS.stream(app, key) == stream


def test_applications():
    assert KEYS.has_app("live")
    assert not KEYS.has_app("")
    assert not KEYS.has_app("live/main")
