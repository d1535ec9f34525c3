"""What every problem of the harness must do, whatever it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pytest

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes


class ProblemSuite:
    """Tests of a problem as its author writes it; a subclass returns it from :meth:`make`.

    What it must have is said by ``mcu_nas_moo.contracts.problem.DiscreteProblem``.

    Attributes:
        n: genotypes that are evaluated.
    """

    n = 40

    def make(self) -> Any:
        """The problem, made anew."""
        raise NotImplementedError

    @pytest.fixture
    def problem(self) -> Any:
        """The problem that is tested."""
        return self.make()

    @pytest.fixture
    def X(self, problem: Any) -> Genotypes:
        """Genotypes of it."""
        sizes = self.sizes(problem)
        return np.random.default_rng(0).integers(0, sizes, (self.n, len(sizes)))

    @staticmethod
    def sizes(problem: Any) -> list[int]:
        """Options of each gene."""
        genes = getattr(problem, "genes", None)
        if genes is not None:
            return [len(options) for options in genes.values()]
        return [int(count) for count in problem.n_choices]

    @staticmethod
    def values(problem: Any, X: Genotypes) -> tuple[FloatArray, FloatArray, list[str]]:
        """``F``, ``G`` and a reason for each row; what may be left out is filled in."""
        told = problem.evaluate(X)
        F, *rest = told if isinstance(told, tuple) else (told,)
        G = np.asarray(rest[0], float) if rest else np.zeros((len(X), 0))
        G = G[:, None] if G.ndim == 1 else G  # a single constraint
        texts = [str(text or "") for text in rest[1]] if len(rest) > 1 else [""] * len(X)
        return np.asarray(F, float), G, texts

    def test_its_genes_and_names(self, problem: Any) -> None:
        sizes = self.sizes(problem)
        assert sizes
        assert min(sizes) >= 1
        if getattr(problem, "genes", None) is not None and hasattr(problem, "n_choices"):
            assert [int(count) for count in problem.n_choices] == sizes
        objectives, constraints = problem.objectives, getattr(problem, "constraints", ())
        assert not isinstance(objectives, str)
        assert len(objectives) >= 2, "a problem has two objectives at least"
        names = [*objectives, *constraints]
        assert all(isinstance(name, str) and name for name in names)
        assert len(set(names)) == len(names), "a name is given twice"

    def test_a_row_for_each_genotype(self, problem: Any, X: Genotypes) -> None:
        before = X.copy()
        F, G, reasons = self.values(problem, X)
        assert (before == X).all(), "X was changed"
        assert F.shape == (len(X), len(problem.objectives))
        assert G.shape == (len(X), len(getattr(problem, "constraints", ())))
        assert len(reasons) == len(X)
        assert not np.isinf(F).any()
        for row in np.flatnonzero(np.isnan(F).any(axis=1) | ~np.isfinite(G).all(axis=1)):
            assert reasons[row], "NaN without a reason"

    def test_no_genotypes(self, problem: Any, X: Genotypes) -> None:
        F, G, _ = self.values(problem, X[:0])
        assert F.shape == (0, len(problem.objectives))
        assert G.shape == (0, len(getattr(problem, "constraints", ())))

    def test_a_genotype_has_the_same_values_in_any_batch(self, problem: Any, X: Genotypes) -> None:
        if not getattr(problem, "deterministic", True):
            pytest.skip("it measures: values differ")
        together = self.values(problem, X)[:2]
        for other in (problem, self.make()):
            for one, two in zip(self.values(other, X[::-1])[:2], together, strict=True):
                assert np.array_equal(one[::-1], two, equal_nan=True)
        for row in range(3):
            alone = self.values(problem, X[row : row + 1])[:2]
            for one, two in zip(alone, together, strict=True):
                assert np.array_equal(one[0], two[row], equal_nan=True)

    def test_no_genotype_is_better_than_the_reference_front(
        self, problem: Any, X: Genotypes
    ) -> None:
        told = getattr(problem, "reference_front", None)
        told = told() if callable(told) else told
        if told is None:
            pytest.skip("the problem does not know its front")
        front = np.asarray(told, float)
        assert front.shape[1:] == (len(problem.objectives),)
        assert len(front) > 0
        assert np.isfinite(front).all()
        F, G, _ = self.values(problem, X)
        met = (G <= 0).all(axis=1) & np.isfinite(F).all(axis=1)
        # Sums in another order may differ in the last digits.
        slack = 1e-9 * np.maximum(1.0, np.abs(front))
        for row in np.concatenate([F[met], front]):
            beaten = (row <= front - slack).all(axis=1)
            assert not beaten.any(), f"{row} dominates a point of the front"

    def test_decode_tells_what_each_genotype_means(self, problem: Any, X: Genotypes) -> None:
        if not hasattr(problem, "decode"):
            pytest.skip("the problem has nothing to decode")
        decoded = list(problem.decode(X))
        assert len(decoded) == len(X)
        assert all(isinstance(one, str) or hasattr(one, "keys") for one in decoded)

    def test_it_travels_to_other_processes(self, problem: Any, X: Genotypes) -> None:
        copied = cloudpickle.loads(cloudpickle.dumps(problem))
        if getattr(problem, "deterministic", True):
            before = self.values(problem, X)[:2]
            for one, two in zip(self.values(copied, X)[:2], before, strict=True):
                assert np.array_equal(one, two, equal_nan=True)
