"""Small video files made on the spot; needs PyAV and numpy."""

from fractions import Fraction
from pathlib import Path


def make_clip(path, *, fps=25, frames=50, size=(320, 240), tone_hz=500, rotation=0, options=None):
    """Frame n has its upper left quarter brighter by n; tone_hz 0 is a file without sound.

    `options` of x264, which has B-frames without any. The path.
    """
    import av  # noqa: PLC0415, optional
    import numpy as np  # noqa: PLC0415, optional

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.options = options or {}
        if rotation:
            video.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=44_100, layout="mono") if tone_hz else None
        for n in range(frames):
            image = np.full((size[1] * 3 // 2, size[0]), 60, dtype=np.uint8)
            image[: size[1] // 2, : size[0] // 2] = 120 + n % 100
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="yuv420p")))
        container.mux(video.encode())
        for n in range(frames * 44_100 // fps // 1024 if sound else 0):
            at = np.arange(n * 1024, (n + 1) * 1024) / 44_100
            wave = (0.3 * np.sin(2 * np.pi * tone_hz * at)).astype(np.float32)[None]
            block = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = 44_100, n * 1024, Fraction(1, 44_100)
            container.mux(sound.encode(block))
        if sound:
            container.mux(sound.encode())
    return Path(path)
