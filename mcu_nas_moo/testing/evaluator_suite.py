"""What every evaluator of networks must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pytest

from mcu_nas_moo import Metric, SearchSpace, Task
from mcu_nas_moo.contracts.evaluator import COSTS, REASON, NetworkEvaluator
from mcu_nas_moo.contracts.metrics import METRICS, objectives_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes


class EvaluatorSuite:
    """Tests of an evaluator; a subclass returns it from :meth:`make`, and a space for it.

    Attributes:
        n: networks that are asked for; few for one that takes seconds.
    """

    n = 20

    def make(self) -> NetworkEvaluator:
        """The evaluator, made anew."""
        raise NotImplementedError

    def make_space(self) -> SearchSpace:
        """The space whose networks it is asked for."""
        raise NotImplementedError

    @pytest.fixture
    def evaluator(self) -> NetworkEvaluator:
        """The evaluator that is tested."""
        return self.make()

    @pytest.fixture
    def own(self) -> SearchSpace:
        """The space that it is asked about."""
        return self.make_space()

    @pytest.fixture
    def X(self, own: SearchSpace) -> Genotypes:
        """Genotypes of the space."""
        return own.sample(self.n, np.random.default_rng(0))

    @staticmethod
    def names(evaluator: NetworkEvaluator) -> list[str]:
        """Names of its metrics."""
        return [m.name if isinstance(m, Metric) else m for m in evaluator.metrics]

    def figures(
        self, evaluator: NetworkEvaluator, space: SearchSpace, X: Genotypes
    ) -> dict[str, FloatArray]:
        """What it tells, as floats, by metric."""
        answer = evaluator.evaluate(space, X)
        return {name: np.asarray(answer[name], np.float64) for name in self.names(evaluator)}

    def test_it_is_an_evaluator_with_known_metrics_or_its_own(
        self, evaluator: NetworkEvaluator
    ) -> None:
        assert isinstance(evaluator, NetworkEvaluator)
        names = self.names(evaluator)
        assert names
        assert len(set(names)) == len(names), "a metric is named twice"
        for metric in evaluator.metrics:
            known = METRICS.get(metric) if isinstance(metric, str) else metric
            assert known is not None, f"{metric!r} is no known metric; give a Metric"
            assert METRICS.get(known.name, known) == known, f"{known.name} is another metric"
        assert getattr(evaluator, "cost", COSTS[0]) in COSTS

    def test_a_number_for_each_network_or_a_reason(
        self, evaluator: NetworkEvaluator, own: SearchSpace, X: Genotypes
    ) -> None:
        before = X.copy()
        answer: Mapping[str, Any] = evaluator.evaluate(own, X)
        assert (before == X).all(), "X was changed"
        reasons = [str(text or "") for text in answer.get(REASON, [""] * len(X))]
        assert len(reasons) == len(X)
        for name in self.names(evaluator):
            assert name in answer, f"{name} was promised"
            values = np.asarray(answer[name], np.float64)
            assert values.shape == (len(X),), f"{name}: a number for each network"
            assert not np.isinf(values).any(), f"{name} is infinite"
            for row in np.flatnonzero(np.isnan(values)):
                assert reasons[row].strip(), f"{name} is NaN without a reason"

    def test_no_networks_have_no_figures(
        self, evaluator: NetworkEvaluator, own: SearchSpace, X: Genotypes
    ) -> None:
        for values in self.figures(evaluator, own, X[:0]).values():
            assert values.shape == (0,)

    def test_a_network_has_the_same_figures_in_any_batch(
        self, evaluator: NetworkEvaluator, own: SearchSpace, X: Genotypes
    ) -> None:
        if not getattr(evaluator, "deterministic", True):
            pytest.skip("it measures: figures differ")
        together = self.figures(evaluator, own, X)
        backwards = self.figures(evaluator, own, X[::-1])
        canonical = self.figures(evaluator, own, own.canonical(X))
        for row in range(min(3, len(X))):
            alone = self.figures(evaluator, own, X[row : row + 1])
            for name, values in together.items():
                assert np.array_equal(alone[name][0], values[row], equal_nan=True), name
        for name, values in together.items():
            assert np.array_equal(backwards[name][::-1], values, equal_nan=True), name
            assert np.array_equal(canonical[name], values, equal_nan=True), (
                f"{name} depends on genes that have no effect; ask for space.canonical(X)"
            )

    def test_it_travels_to_other_processes(
        self, evaluator: NetworkEvaluator, own: SearchSpace, X: Genotypes
    ) -> None:
        copied = cloudpickle.loads(cloudpickle.dumps(evaluator))
        assert self.names(copied) == self.names(evaluator)
        assert getattr(copied, "fingerprint", None) == getattr(evaluator, "fingerprint", None)
        if getattr(evaluator, "deterministic", True):
            before = self.figures(evaluator, own, X[:2])
            for name, values in self.figures(copied, own, X[:2]).items():
                assert np.array_equal(values, before[name], equal_nan=True), name

    def test_equal_ones_have_equal_fingerprints(self, evaluator: NetworkEvaluator) -> None:
        again = self.make()
        told = getattr(evaluator, "fingerprint", "")
        assert isinstance(told, str)
        assert getattr(again, "fingerprint", "") == told

    def test_a_task_takes_it(
        self,
        evaluator: NetworkEvaluator,
        own: SearchSpace,
        X: Genotypes,
        tmp_path: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where slow figures are kept
        metrics = [m if isinstance(m, Metric) else METRICS[m] for m in evaluator.metrics]
        names = {metric.name: name for name, metric in objectives_in(METRICS).items()}
        own_names = {m.name: m.objective or m.name for m in metrics if m.name not in METRICS}
        goals = [goal for m in metrics if (goal := (names | own_names).get(m.name))]
        if "accuracy" in self.names(evaluator):
            goals = [*dict.fromkeys([*goals, "error"])]
        task = Task(own, None, goals, evaluators=[evaluator])
        F, _ = task.evaluate(X)
        assert F.shape == (len(X), len(goals))
        told = task.metrics(X)
        for row in np.flatnonzero(np.isnan(F).any(axis=1)):
            assert task.reason(X[row])
        if getattr(evaluator, "deterministic", True):
            for name, values in self.figures(evaluator, own, X).items():
                fine = ~np.isnan(F).any(axis=1)
                assert np.array_equal(told[name][fine], values[fine]), name
