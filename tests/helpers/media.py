"""H.264 and AAC in the forms of containers, small enough to read."""

# x264, 640x360, High, level 3.0.
SPS = bytes.fromhex("6764001eacb405017fcb08000003000800000301e478b175")
PPS = bytes.fromhex("68ef0fcb")
# Of 320x240; a PPS of id 1, and another of id 0.
SPS_SMALL = bytes.fromhex("6764000dacd94141fa1000000300100000030320f1429960")
PPS_1 = bytes.fromhex("684ee3cb")
PPS_OTHER = bytes.fromhex("68ebe3cb22c0")
AVCC = bytes.fromhex("0164001effe10018") + SPS + b"\1\0\4" + PPS + b"\xfd\xf8\xf8\0"
AAC_CONFIG = bytes.fromhex("1210")  # LC, 44100 Hz, stereo
IDR = b"\x65idr"
SLICE = b"\x41slice"


def sample(*units, length_bytes=4):
    """NAL units as they stand in a container."""
    return b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)


def record(*units, length_bytes=4):
    """A configuration record without the extension of the High profiles."""
    sets = [unit for unit in units if unit[0] & 31 == 7]
    pictures = [unit for unit in units if unit[0] & 31 == 8]
    out = bytes((1, *SPS[1:4], 0xFC | length_bytes - 1, 0xE0 | len(sets)))
    out += sample(*sets, length_bytes=2) + bytes((len(pictures),))
    return out + sample(*pictures, length_bytes=2)


def video_tag(kind, data, cts_ms=0, frame=1):
    return bytes((frame << 4 | 7, kind)) + cts_ms.to_bytes(3, "big", signed=True) + data


def audio_tag(kind, data):
    return bytes((0xAF, kind)) + data
