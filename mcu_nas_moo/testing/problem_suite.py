"""What every problem of the harness must do, whatever it is about."""

from __future__ import annotations

from typing import Any

import cloudpickle
import numpy as np
import pytest


class ProblemSuite:
    """Tests of a problem with its own meaning; a subclass returns it from :meth:`make`.

    A problem has ``n_choices`` (options of each gene), ``objectives`` and ``constraints`` (names of
    the columns of ``F`` and ``G``), and ``evaluate(X) -> F, G``; objectives are minimised, and
    constraints met where they are <= 0.

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
    def X(self, problem: Any) -> Any:
        """Genotypes of it."""
        n_choices = np.asarray(problem.n_choices)
        return np.random.default_rng(0).integers(0, n_choices, (self.n, len(n_choices)))

    def test_its_genes_and_names(self, problem: Any) -> None:
        n_choices = np.asarray(problem.n_choices)
        assert n_choices.ndim == 1
        assert np.issubdtype(n_choices.dtype, np.integer)
        assert (n_choices >= 1).all()
        names = [*problem.objectives, *getattr(problem, "constraints", ())]
        assert all(isinstance(name, str) and name for name in names)
        assert len(set(names)) == len(names), "a name is given twice"
        assert len(problem.objectives) > 0

    def test_a_row_for_each_genotype(self, problem: Any, X: Any) -> None:
        before = X.copy()
        F, G = problem.evaluate(X)
        assert (before == X).all(), "X was changed"
        assert np.shape(F) == (len(X), len(problem.objectives))
        assert np.shape(G) == (len(X), len(getattr(problem, "constraints", ())))
        assert np.isfinite(F).all()
        assert np.isfinite(G).all()

    def test_no_genotypes(self, problem: Any, X: Any) -> None:
        F, G = problem.evaluate(X[:0])
        assert np.shape(F) == (0, len(problem.objectives))
        assert np.shape(G) == (0, len(getattr(problem, "constraints", ())))

    def test_a_genotype_has_the_same_values_in_any_batch(self, problem: Any, X: Any) -> None:
        F, G = problem.evaluate(X)
        for other in (problem, self.make()):
            backwards = other.evaluate(X[::-1])
            assert (np.asarray(backwards[0])[::-1] == F).all()
            assert (np.asarray(backwards[1])[::-1] == G).all()
        for row in range(3):
            alone = problem.evaluate(X[row : row + 1])
            assert (np.asarray(alone[0])[0] == np.asarray(F)[row]).all()
            assert (np.asarray(alone[1])[0] == np.asarray(G)[row]).all()

    def test_it_travels_to_other_processes(self, problem: Any, X: Any) -> None:
        copied = cloudpickle.loads(cloudpickle.dumps(problem))
        for one, two in zip(copied.evaluate(X), problem.evaluate(X), strict=True):
            assert np.array_equal(one, two)
