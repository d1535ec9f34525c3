"""A space with small networks, for supernets that train in a second."""

import pytest

from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec

SPEC = {
    "classes": 2,
    "resolution": [16, 32],
    "stem": [4, 8],
    "stages": [
        {"stride": 2, "depth": [1, 2], "kernel": [3, 5], "width": [4, 8], "expansion": [1, 2]},
        {"stride": 2, "depth": [1], "kernel": [3], "width": [8], "expansion": [2]},
    ],
    "head": [8, 16],
}


@pytest.fixture(scope="session")
def tiny_space():
    return MBConvSpace(MBConvSpec.model_validate(SPEC | {"name": "tiny", "granularity": "block"}))
