"""A camera's size, as a command line gives it."""

import argparse


def camera_size(text: str) -> tuple[int, int]:
    """(width, height) of WIDTHxHEIGHT, both made even.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and min(int(width), int(height)) >= 32):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 640x480")
    return int(width) // 2 * 2, int(height) // 2 * 2
