"""Pushes a clip by FFmpeg's own WHIP muxer, over and over, until its standard input closes.

A process of its own: the muxer's start blocks until the server has answered.

Usage: python -m tests.server.whip_ffmpeg CLIP URL TOKEN CERTIFICATE KEY
"""

import sys
import threading
import time
from fractions import Fraction

import av

FPS = 24


def push(clip: str, url: str, token: str, certificate: str, key: str) -> None:
    stopped = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        stopped.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    with av.open(clip) as source:
        size = source.streams.video[0].width, source.streams.video[0].height
    options = {"authorization": token, "cert_file": certificate, "key_file": key}
    began_s, pictures, samples = time.monotonic(), 0, 0
    with av.open(url, "w", format="whip", options=options) as output:
        video = output.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "tune": "zerolatency"})
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.profile = "High"
        video.codec_context.gop_size = FPS
        sound = output.add_stream("libopus", rate=48_000, layout="stereo")
        resampler = av.AudioResampler("s16", "stereo", 48_000, frame_size=960)
        while True:
            with av.open(clip) as source:
                for frame in source.decode(video=0, audio=0):
                    if stopped.is_set():
                        return
                    if isinstance(frame, av.VideoFrame):
                        frame.pts, frame.time_base = pictures, Fraction(1, FPS)
                        frame.pict_type = av.video.frame.PictureType.NONE
                        output.mux(video.encode(frame))
                        pictures += 1
                        time.sleep(max(0.0, began_s + pictures / FPS - time.monotonic()))
                    elif isinstance(frame, av.AudioFrame):
                        frame.pts = None
                        for part in resampler.resample(frame):
                            part.pts, part.time_base = samples, Fraction(1, 48_000)
                            samples += part.samples
                            output.mux(sound.encode(part))


if __name__ == "__main__":
    push(*sys.argv[1:])
