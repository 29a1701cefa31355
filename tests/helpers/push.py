"""push.py URL CODEC...: 25 pictures to an RTMP server, a track for each codec; needs PyAV."""

import sys

import av
import numpy as np

FRAMES = 25


def main(url, *codecs):
    with av.open(url, "w", format="flv") as container:
        streams = [container.add_stream(codec, rate=FRAMES) for codec in codecs]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for n in range(FRAMES):
            image = np.full((360, 320), 60 + n, dtype=np.uint8)
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
                frame.pts = n
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
