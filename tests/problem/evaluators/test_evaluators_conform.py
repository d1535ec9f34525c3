"""Every evaluator that the package ships, by the suite for evaluators."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from small_space import random_predictor, small_space

from mcu_nas_moo import (
    FunctionEvaluator,
    Metric,
    SupernetAccuracy,
    TableEvaluator,
    TrainedAccuracy,
    load_profile,
    load_space,
)
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.evaluators.analytic_costs import AnalyticCosts
from mcu_nas_moo.testing import EvaluatorSuite, ToySpace, toy_figures
from mcu_nas_moo.testing.optimiser_suite import failing
from mcu_nas_moo.testing.toy_task import TOY_METRICS


def loudness(space, X):
    return space.canonical(X).sum(axis=1) / 7.0


class OnToySpace(EvaluatorSuite):
    def make_space(self):
        return ToySpace(3)


class TestFunction(OnToySpace):
    def make(self):
        return FunctionEvaluator(toy_figures, TOY_METRICS)


class TestFunctionThatFails(OnToySpace):
    def make(self):
        return FunctionEvaluator(failing, TOY_METRICS)


class TestFunctionOfOneMetric(OnToySpace):
    def make(self):
        return FunctionEvaluator(loudness, [Metric("loudness_db", unit="dB")])


class TestTable(OnToySpace):
    @pytest.fixture(autouse=True)
    def table(self, tmp_path):
        self.path = tmp_path / "networks.csv"
        lines = ["stage1_width,stage2_width,stage3_width,error,rating,reason"]
        for a, b, c in product((1, 2, 4, 8), repeat=3):
            if a > 1:
                lines.append(f"{a},{b},{c},{1 / (a + b + c)},{a * b},")
            elif c == 1:
                lines.append(f"1,{b},,,,no memory")
        self.path.write_text("\n".join(lines) + "\n")

    def make(self):
        return TableEvaluator(self.path, self.make_space())


class TestShippedPredictor(EvaluatorSuite):
    def make(self):
        return AccuracyPredictor.load()

    def make_space(self):
        return load_space("mbconv-block")


class TestOwnPredictor(EvaluatorSuite):
    def make(self):
        return random_predictor(small_space())

    def make_space(self):
        return small_space()


class TestCostModel(EvaluatorSuite):
    def make(self):
        return AnalyticCosts(CostModel.of(load_profile("cortex-m4")))

    def make_space(self):
        return load_space("mbconv-stage")


class TestCostModelByParts(EvaluatorSuite):
    """So many that costs are looked up part by part."""

    n = 3000

    def make(self):
        return AnalyticCosts(CostModel.of(load_profile("cortex-m4")))

    def make_space(self):
        return small_space("block")


class TestTrainedAccuracy(EvaluatorSuite):
    n = 2

    @pytest.fixture(autouse=True)
    def data(self, image_folder, tiny_space):
        self.folder, self.space = image_folder, tiny_space

    def make(self):
        return TrainedAccuracy(self.folder, epochs=1)

    def make_space(self):
        return self.space


class TestSupernetAccuracy(EvaluatorSuite):
    n = 3

    @pytest.fixture(autouse=True)
    def data(self, image_folder, small_space, supernet, tmp_path):
        self.folder, self.space = image_folder, small_space
        self.weights = tmp_path / "supernet.safetensors"
        supernet.save(self.weights)

    def make(self):
        return SupernetAccuracy(self.folder, self.weights)

    def make_space(self):
        return self.space


def test_the_function_s_figures_are_those_of_the_function(rng):
    space = ToySpace(3)
    X = space.sample(9, rng)
    told = FunctionEvaluator(loudness, ["error"]).evaluate(space, X)
    np.testing.assert_array_equal(told["error"], loudness(space, X))
