"""What players may choose from, and how far each of it is."""

import m3u8

from tests.helpers import hls_media as media
from tests.helpers.hls import (
    BASE,
    LIVE,
    MEDIA,
    SECOND,
    SOUND,
    attributes,
    lines,
    package,
    segments,
    whole_show,
)
from tests.helpers.hls_media import frames

ALL = (MEDIA, SECOND, SOUND)


def test_the_variants_share_the_sound():
    host = package(whole_show(frames(200), video=2))
    read = m3u8.loads(host.now[LIVE].decode())
    assert [p.uri for p in read.playlists] == ["0.m3u8", "1.m3u8", "64.m3u8"]
    (sound,) = read.media
    assert (sound.type, sound.uri, sound.default, sound.autoselect) == (
        *("AUDIO", "64.m3u8"),
        *("YES", "YES"),
    )
    *pictures, alone = (variant.stream_info for variant in read.playlists)
    for about in pictures:
        assert about.codecs == "avc1.64001e,mp4a.40.2"
        assert about.resolution == (640, 360)
    assert (alone.codecs, alone.resolution) == ("mp4a.40.2", None)
    assert {about.audio for about in (*pictures, alone)} == {sound.group_id}

    def peak(path):
        return max(8 * len(body) / 2 for body in list(segments(host, path).values())[:-1])

    assert alone.bandwidth >= peak(SOUND)
    for about, path in zip(pictures, (MEDIA, SECOND), strict=True):
        assert about.bandwidth >= peak(path) + peak(SOUND)
        assert 0 < about.average_bandwidth <= about.bandwidth


def test_a_rate_that_the_studio_tells_is_the_average():
    about = {"fps": 30, "kbps": 800}
    messages = [media.init(about=about), *media.show(frames(200))]
    (variant, alone) = m3u8.loads(package(messages).now[LIVE].decode()).playlists
    assert variant.stream_info.frame_rate == 30
    assert variant.stream_info.average_bandwidth == 800_000 + alone.stream_info.average_bandwidth
    assert variant.stream_info.bandwidth >= variant.stream_info.average_bandwidth


def test_a_track_that_sends_nothing_does_not_keep_the_others_from_being_seen():
    messages = [media.init(video=2), *media.show(frames(300))]
    host = package(messages)
    read = m3u8.loads(host.now[LIVE].decode())
    assert [p.uri for p in read.playlists] == ["0.m3u8", "64.m3u8"]
    assert SECOND not in host.now


def test_without_sound_there_is_no_group():
    host = package(whole_show(frames(200), video=2, sounds=False))
    read = m3u8.loads(host.now[LIVE].decode())
    assert [p.uri for p in read.playlists] == ["0.m3u8", "1.m3u8"]
    assert read.media == []


def test_renditions_report_each_other():
    host = package(whole_show(frames(200), video=2)[:-1])
    latest = {path: host.playlists[path][-1] for path in ALL}
    for path in ALL:
        reports = [attributes(line) for line in lines(latest[path].whole) if "REPORT" in line]
        others = [other for other in ALL if other != path]
        assert [BASE + report["URI"].strip('"') for report in reports] == others
        for report, other in zip(reports, others, strict=True):
            # The ones after it have been given each frame later.
            position = int(report["LAST-MSN"]), int(report["LAST-PART"])
            newest = latest[other].segment, latest[other].parts
            assert position in {(newest[0], newest[1] - back) for back in (1, 2)}
