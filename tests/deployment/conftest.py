"""The small supernet, for all tests here."""

from small_supernet import images, small_space, subnet, supernet

__all__ = ["images", "small_space", "subnet", "supernet"]
