"""Every space that the package ships or can make, by the suite for spaces."""

from __future__ import annotations

import pytest
from small_space import small_space

from mcu_nas_moo import Gene, SearchSpace, load_space
from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec
from mcu_nas_moo.testing import SpaceSuite, ToySpace

STAGE = {"stride": 2, "depth": [1, 2], "kernel": [3, 5], "width": [4, 8], "expansion": [1, 2]}
#: Grey pictures that are higher than wide, or wider than high.
GREY = {
    "name": "grey",
    "granularity": "block",
    "classes": 3,
    "input": {"channels": 1},
    "resolution": [[24, 48], [32, 20]],
    "stem": [4, 6],
    "stages": [STAGE, STAGE | {"stride": 1, "depth": [1]}],
    "head": [8],
}


class TestShippedStage(SpaceSuite):
    def make(self):
        return load_space("mbconv-stage")


class TestShippedBlock(SpaceSuite):
    def make(self):
        return load_space("mbconv-block")


class TestSmallStage(SpaceSuite):
    def make(self):
        return small_space("stage")


class TestSmallBlock(SpaceSuite):
    def make(self):
        return small_space("block")


class TestGreyAndNotSquare(SpaceSuite):
    def make(self):
        return MBConvSpace(MBConvSpec.model_validate(GREY))


class TestGreyByStage(SpaceSuite):
    def make(self):
        return MBConvSpace(MBConvSpec.model_validate(GREY | {"granularity": "stage"}))


class TestGenesOfAFile(SpaceSuite):
    @pytest.fixture(autouse=True)
    def file(self, tmp_path):
        self.path = tmp_path / "filters.yaml"
        self.path.write_text(
            "kind: genes\ngenes:\n  rate: [0.5, 1, 2.5]\n  window: [hann, none]\n"
            "  log: [false, true]\n  frames: [10, 20]\n"
        )

    def make(self):
        return load_space(self.path)


class TestGenesInPython(SpaceSuite):
    def make(self):
        return SearchSpace("one", [Gene("only", ("this",)), Gene("b", (1, 2))])


class TestToy(SpaceSuite):
    def make(self):
        return ToySpace()
