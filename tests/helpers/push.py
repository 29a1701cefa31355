"""push.py URL CODEC[:HEIGHT]...: a second to an RTMP server, live.

A track for each codec; needs PyAV.
"""

import sys
import time

import av
import numpy as np

FRAMES = 25


def main(url, *codecs):
    with av.open(url, "w", format="flv") as container:
        streams = []
        for codec in codecs:
            name, _, height = codec.partition(":")
            stream = container.add_stream(name, rate=FRAMES)
            stream.width, stream.height, stream.pix_fmt = 320, int(height or 240), "yuv420p"
            stream.options = {"tune": "zerolatency"}
            streams.append(stream)
        for n in range(FRAMES):
            for stream in streams:
                image = np.full((stream.height * 3 // 2, 320), 60 + n, dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
                frame.pts = n
                container.mux(stream.encode(frame))
            time.sleep(1 / FRAMES)
        for stream in streams:
            container.mux(stream.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
