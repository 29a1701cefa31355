"""FLV tag bodies, which are also the audio and video messages of RTMP, to access units.

The Video File Format Specification 10.1 (E.4.2 audio, E.4.3 video) has a codec in the first byte;
Enhanced RTMP v2 has a FourCC and track ids behind it (`ngage.video.enhanced`). H.264 and AAC are
carried in either form. Every other codec is refused by its name, for nothing here transcodes.

Timestamps are 32 bits of milliseconds that wrap after 49.7 days (RTMP 1.0, 3): the step from one
to the next is taken as the nearest way around.
"""

from collections.abc import Mapping

from ngage.errors import MediaError
from ngage.video import aac, avc, enhanced
from ngage.video.units import (
    TICKS_PER_SECOND,
    AudioConfig,
    AudioUnit,
    Metadata,
    Unit,
    VideoConfig,
    VideoUnit,
)

TRACKS_MAX = 16
METADATA_TEXT_CHARACTERS_MAX = 100

VIDEO_FOURCC = b"avc1"
AUDIO_FOURCC = b"mp4a"

_TICKS_PER_MS = TICKS_PER_SECOND // 1000
_NS_PER_TICK = 1_000_000_000 / TICKS_PER_SECOND

_EX_VIDEO = 0x80  # the first bit of the frame type (Enhanced RTMP v2, ExVideoTagHeader)
_EX_AUDIO = 9
_FRAME_COMMAND = 5
_VIDEO_AVC = 7
_AUDIO_AAC = 10

# 12 and 13 are not in the specification, but in use.
_VIDEO_NAMES = {
    1: "JPEG",
    2: "Sorenson H.263",
    3: "Screen video",
    4: "VP6",
    5: "VP6 with alpha",
    6: "Screen video 2",
    12: "HEVC",
    13: "AV1",
}
_AUDIO_NAMES = {
    0: "PCM",
    1: "ADPCM",
    2: "MP3",
    3: "PCM",
    4: "Nellymoser",
    5: "Nellymoser",
    6: "Nellymoser",
    7: "G.711 A-law",
    8: "G.711 mu-law",
    11: "Speex",
    14: "MP3",
    15: "device-specific sound",
}
_FOURCC_NAMES = {
    b"hvc1": "HEVC",
    b"hev1": "HEVC",
    b"vvc1": "VVC",
    b"av01": "AV1",
    b"vp08": "VP8",
    b"vp09": "VP9",
    b"ac-3": "AC-3",
    b"ec-3": "E-AC-3",
    b"Opus": "Opus",
    b".mp3": "MP3",
    b"fLaC": "FLAC",
}


class Demuxer:
    """Of one publication. Its methods take a message each and raise MediaError, which ends it."""

    def __init__(self) -> None:
        self._clock = _Clock()
        self._video: dict[int, avc.Stream] = {}
        self._audio: dict[int, bytes] = {}

    def video(self, timestamp_ms: int, tag: bytes) -> list[Unit]:
        """Units of a video tag whose RTMP timestamp is given; none where it only informs."""
        dts = self._clock.ticks(timestamp_ms)
        if not tag or tag[0] >> 4 & 7 == _FRAME_COMMAND:
            return []
        if tag[0] & _EX_VIDEO:
            return self._enhanced_video(dts, tag)
        codec = tag[0] & 0x0F
        if codec != _VIDEO_AVC:
            raise _refusal(_VIDEO_NAMES.get(codec, f"the video codec {codec}"), "H.264")
        if len(tag) < 5:
            raise MediaError("FLV: a video tag ends too early")
        match tag[1]:
            case enhanced.SEQUENCE_START:
                return self._video_config(0, tag[5:])
            case enhanced.CODED_FRAMES:
                return self._video_unit(0, dts, _signed_ticks(tag[2:5]), tag[5:])
            case enhanced.SEQUENCE_END:
                return []
        raise MediaError(f"FLV: AVCPacketType {tag[1]}")

    def audio(self, timestamp_ms: int, tag: bytes) -> list[Unit]:
        """Units of an audio tag whose RTMP timestamp is given."""
        dts = self._clock.ticks(timestamp_ms)
        if not tag:  # FMLE sends empty ones when it begins
            return []
        codec = tag[0] >> 4
        if codec == _EX_AUDIO:
            return self._enhanced_audio(dts, tag)
        if codec != _AUDIO_AAC:
            raise _refusal(_AUDIO_NAMES.get(codec, f"the audio codec {codec}"), "AAC")
        if len(tag) < 2 or tag[1] > enhanced.CODED_FRAMES:
            raise MediaError("FLV: an audio tag ends too early, or its AACPacketType is reserved")
        if tag[1] == enhanced.SEQUENCE_START:
            return self._audio_config(0, tag[2:])
        return self._audio_unit(0, dts, tag[2:])

    def _enhanced_video(self, dts: int, data: bytes) -> list[Unit]:
        tag = enhanced.parse(data, enhanced.VIDEO_MULTITRACK)
        shift = round(tag.offset_ns / _NS_PER_TICK)
        units: list[Unit] = []
        for track, fourcc, body in tag.tracks:
            if fourcc != VIDEO_FOURCC:
                raise _refusal(_fourcc_name(fourcc), "H.264")
            match tag.packet_type:
                case enhanced.SEQUENCE_START:
                    units += self._video_config(track, body)
                case enhanced.CODED_FRAMES if len(body) >= 3:
                    cts = _signed_ticks(body[:3]) + shift
                    units += self._video_unit(track, dts, cts, body[3:])
                case enhanced.VIDEO_CODED_FRAMES_X:
                    units += self._video_unit(track, dts, shift, body)
                case enhanced.SEQUENCE_END | enhanced.VIDEO_METADATA:
                    pass
                case _:
                    raise MediaError(f"Enhanced RTMP: video of packet type {tag.packet_type}")
        return units

    def _enhanced_audio(self, dts: int, data: bytes) -> list[Unit]:
        tag = enhanced.parse(data, enhanced.AUDIO_MULTITRACK)
        dts += round(tag.offset_ns / _NS_PER_TICK)
        units: list[Unit] = []
        for track, fourcc, body in tag.tracks:
            if fourcc != AUDIO_FOURCC:
                raise _refusal(_fourcc_name(fourcc), "AAC")
            match tag.packet_type:
                case enhanced.SEQUENCE_START:
                    units += self._audio_config(track, body)
                case enhanced.CODED_FRAMES:
                    units += self._audio_unit(track, dts, body)
                case enhanced.SEQUENCE_END | enhanced.AUDIO_MULTICHANNEL_CONFIG:
                    pass
                case _:
                    raise MediaError(f"Enhanced RTMP: audio of packet type {tag.packet_type}")
        return units

    def _video_config(self, track: int, record: bytes) -> list[Unit]:
        stream = avc.Stream(record)
        known = self._video.get(track)
        self._video[track] = stream
        _check_tracks(self._video)
        return [] if known and known.avcc == stream.avcc else [_config(track, stream)]

    def _video_unit(self, track: int, dts: int, cts: int, data: bytes) -> list[Unit]:
        stream = self._video.get(track)
        if stream is None:
            raise MediaError(f"H.264: a picture of track {track} before its sequence header")
        picture = stream.picture(data)
        units: list[Unit] = [] if picture.avcc is None else [_config(track, stream)]
        if picture.sample:
            units.append(VideoUnit(track, dts, cts, picture.key, picture.sample))
        return units

    def _audio_config(self, track: int, config: bytes) -> list[Unit]:
        if not config:  # libavformat remuxes a stream whose first frame it has not seen
            return []
        parsed = aac.parse(config)
        known = self._audio.get(track)
        self._audio[track] = config
        _check_tracks(self._audio)
        return [] if known == config else [AudioConfig(track, config, *parsed)]

    def _audio_unit(self, track: int, dts: int, data: bytes) -> list[Unit]:
        if track not in self._audio:
            raise MediaError(f"AAC: sound of track {track} before its sequence header")
        return [AudioUnit(track, dts, data)] if data else []


def metadata(properties: Mapping[str, object]) -> Metadata:
    """What is of use in the properties of onMetaData (E.5); nonsense counts as absent."""
    encoder = properties.get("encoder")
    return Metadata(
        fps=_positive(properties.get("framerate"), 1000),
        width=_whole(_positive(properties.get("width"), avc.SIDE_PIXELS_MAX)),
        height=_whole(_positive(properties.get("height"), avc.SIDE_PIXELS_MAX)),
        encoder=encoder[:METADATA_TEXT_CHARACTERS_MAX] if isinstance(encoder, str) else None,
    )


class _Clock:
    """Unwraps timestamps, see above. Video and audio share one."""

    def __init__(self) -> None:
        self._last_ms: int | None = None
        self._time_ms = 0

    def ticks(self, timestamp_ms: int) -> int:
        if self._last_ms is None:
            self._last_ms = self._time_ms = timestamp_ms
        self._time_ms += (timestamp_ms - self._last_ms + (1 << 31)) % (1 << 32) - (1 << 31)
        self._last_ms = timestamp_ms
        return self._time_ms * _TICKS_PER_MS


def _signed_ticks(composition_time: bytes) -> int:
    """CompositionTime: SI24, milliseconds."""
    return int.from_bytes(composition_time, "big", signed=True) * _TICKS_PER_MS


def _config(track: int, stream: avc.Stream) -> VideoConfig:
    return VideoConfig(track, stream.avcc, stream.width, stream.height)


def _check_tracks(tracks: Mapping[int, object]) -> None:
    if len(tracks) > TRACKS_MAX:
        raise MediaError(f"Enhanced RTMP: {TRACKS_MAX} tracks at most")


def _fourcc_name(fourcc: bytes) -> str:
    return _FOURCC_NAMES.get(fourcc, f"the codec {fourcc.decode('latin-1')!a}")


def _refusal(name: str, instead: str) -> MediaError:
    return MediaError(f"{name} cannot be carried, only {instead}: choose it in the encoder")


def _positive(value: object, most: float) -> float | None:
    return value if isinstance(value, float) and 0 < value <= most else None


def _whole(value: float | None) -> int | None:
    return int(value or 0) or None
