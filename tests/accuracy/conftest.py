"""A space with small networks, for supernets that train in a second."""

import pytest

from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec


@pytest.fixture(scope="session")
def tiny_space(small_spec):
    facts = {"name": "tiny", "granularity": "block", "classes": 2}
    return MBConvSpace(MBConvSpec.model_validate(small_spec | facts))
