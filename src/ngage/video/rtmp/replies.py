"""The bodies of the commands that a server sends (RTMP 1.0, 7.2.1 and 7.2.2)."""

from ngage.video import flv
from ngage.video.rtmp.amf0 import Encodable, encode

_CAN_FORWARD = 4
_MULTITRACK, _MOD_EX, _TIMESTAMP_NANO = 0x02, 0x04, 0x08
_VIDEO, _AUDIO = flv.VIDEO_FOURCC.decode(), flv.AUDIO_FOURCC.decode()
# Enhanced RTMP v2, "Enhancing NetConnection connect Command".
_ENHANCED: dict[str, Encodable] = {
    "fourCcList": [_VIDEO, _AUDIO],
    "videoFourCcInfoMap": {_VIDEO: _CAN_FORWARD},
    "audioFourCcInfoMap": {_AUDIO: _CAN_FORWARD},
    "capsEx": _MULTITRACK | _MOD_EX | _TIMESTAMP_NANO,
}
# Encoders look at these two for what a server can do; they are what others say.
_SERVER: dict[str, Encodable] = {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31}


def connected(transaction: float) -> bytes:
    information = {
        **_information("status", "NetConnection.Connect.Success", "connected"),
        "objectEncoding": 0,
        **_ENHANCED,
    }
    return encode("_result", transaction, {**_SERVER, **_ENHANCED}, information)


def rejected(transaction: float, description: str) -> bytes:
    information = _information("error", "NetConnection.Connect.Rejected", description)
    return encode("_error", transaction, None, information)


def result(transaction: float, value: Encodable = None) -> bytes:
    return encode("_result", transaction, None, value)


def failed(transaction: float, description: str) -> bytes:
    information = _information("error", "NetConnection.Call.Failed", description)
    return encode("_error", transaction, None, information)


def status(level: str, code: str, description: str) -> bytes:
    """onStatus, which answers no transaction; `level` is "status" or "error"."""
    return encode("onStatus", 0, None, _information(level, code, description))


def _information(level: str, code: str, description: str) -> dict[str, Encodable]:
    return {"level": level, "code": code, "description": description}
