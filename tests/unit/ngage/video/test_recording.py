"""A file as an endless programme: its timeline, its sound, its size, and files that cannot be."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("av")
from ngage.video import VideoUnavailable  # noqa: E402
from ngage.video.recording import Recording  # noqa: E402
from tests.helpers.clips import make_clip  # noqa: E402


def dominant_hz(sound):
    return np.abs(np.fft.rfft(sound[0])).argmax() * 48_000 / sound.shape[1]


def test_the_timeline_goes_on_when_the_file_begins_again(tmp_path):
    recording = Recording(make_clip(tmp_path / "clip.mp4", fps=25, frames=10))
    pictures = list(islice(recording.pictures(), 25))
    assert pictures[0].pts == 0
    assert all(b.pts == a.pts + a.duration for a, b in pairwise(pictures))
    assert [p.duration for p in pictures] == [3600] * 25
    corners = [int(p.draw()[10, 10]) for p in pictures]
    assert corners[:10] == pytest.approx(range(120, 130), abs=3)
    assert corners[10:20] == pytest.approx(range(120, 130), abs=3)
    recording.close()


def test_sound_is_resampled_and_begins_again_with_the_picture(tmp_path):
    recording = Recording(make_clip(tmp_path / "clip.mp4", fps=25, frames=25, tone_hz=500))
    pictures = recording.pictures()
    next(pictures)
    first = recording.sound(0, 24_000)
    assert first.shape == (2, 24_000) and first.dtype == np.float32
    assert dominant_hz(first) == pytest.approx(500, abs=3)
    assert next(p for p in pictures if p.pts >= 90_000).pts == 90_000
    again = recording.sound(48_000 + 1024, 24_000)
    assert dominant_hz(again) == pytest.approx(500, abs=3)
    assert np.abs(again).max() > 0.15
    recording.close()


def test_sound_that_ends_early_is_followed_by_silence(tmp_path):
    recording = Recording(make_clip(tmp_path / "clip.mp4", fps=10, frames=10))
    next(recording.pictures())
    assert not recording.sound(72_000, 1024).any()
    recording.close()


def test_a_silent_file_has_silence(tmp_path):
    recording = Recording(make_clip(tmp_path / "clip.mp4", tone_hz=0))
    next(recording.pictures())
    assert not recording.sound(0, 1024).any()
    recording.close()


@pytest.mark.parametrize(
    ("size", "rotation", "shown"),
    [
        ((320, 240), 0, (320, 240)),
        ((1920, 1080), 0, (1280, 720)),
        ((320, 240), 90, (240, 320)),
        ((640, 1280), 0, (360, 720)),
    ],
)
def test_size_fits_720p_and_follows_the_rotation(tmp_path, size, rotation, shown):
    recording = Recording(make_clip(tmp_path / "clip.mp4", frames=3, size=size, rotation=rotation))
    assert (recording.width, recording.height) == shown
    image = next(recording.pictures()).draw()
    assert image.shape == (shown[1] * 3 // 2, shown[0])
    recording.close()


def test_a_turned_picture_is_upright(tmp_path):
    """The bright corner, upper left in the file, is lower left after a quarter turn to the left."""
    recording = Recording(make_clip(tmp_path / "clip.mp4", frames=3, rotation=90))
    luma = next(recording.pictures()).draw()[: recording.height]
    assert luma[-10, 10] > 100 and luma[10, 10] < 100
    recording.close()


def test_sixty_frames_a_second_become_thirty(tmp_path):
    recording = Recording(make_clip(tmp_path / "clip.mp4", fps=60, frames=60))
    assert recording.fps == 30
    assert {p.duration for p in islice(recording.pictures(), 25)} == {3000}
    recording.close()


def test_a_picture_that_stands_is_shown_again(tmp_path):
    recording = Recording(make_clip(tmp_path / "clip.mp4", fps=1, frames=3))
    pictures = list(islice(recording.pictures(), 12))
    assert all(b.pts == a.pts + a.duration for a, b in pairwise(pictures))
    assert max(p.duration for p in pictures) <= 90_000 // 4
    recording.close()


@pytest.mark.parametrize("content", [None, b"", b"no video at all" * 100])
def test_what_is_no_video_is_refused_with_its_name(tmp_path, content):
    path = Path(tmp_path, "talk.mp4")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoUnavailable, match=r"talk\.mp4"):
        Recording(path)


def test_a_file_cut_in_the_middle_plays_what_it_has(tmp_path):
    whole = make_clip(tmp_path / "whole.mkv", frames=100).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    recording = Recording(path)
    pictures = list(islice(recording.pictures(), 150))
    assert all(b.pts >= a.pts + a.duration for a, b in pairwise(pictures))
    recording.close()
