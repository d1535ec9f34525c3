"""Both toolchains, and the tiny firmware for what reads images."""

import pytest
from tiny_firmware import build

from mcu_nas_moo.deployment.firmware.toolchain import find_toolchain

__all__ = ["build"]


@pytest.fixture(scope="module", params=["gcc", "zig"])
def toolchain(request):
    """Each toolchain that is installed."""
    try:
        return find_toolchain(request.param)
    except ValueError as error:
        pytest.skip(str(error))
