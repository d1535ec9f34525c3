"""The tiny firmware, for what reads images."""

from tiny_firmware import build

__all__ = ["build"]
