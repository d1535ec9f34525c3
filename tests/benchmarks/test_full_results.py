"""The committed results of the suite ``full``, beside the shipped reference fronts."""

from __future__ import annotations

from pathlib import Path

import moocore
import numpy as np
import pytest

from mcu_nas_moo.benchmark.results.loading import load_results
from mcu_nas_moo.optimisers.register import optimiser_fingerprint

FOLDER = Path(__file__).parents[2] / "benchmarks" / "results" / "full"


@pytest.fixture(scope="module", params=sorted(path.stem for path in FOLDER.glob("*.npz")))
def problem(request):
    results = load_results([FOLDER / f"{request.param}.npz"])
    assert not results.warnings
    (found,) = results.problems
    return found


def archives(problem):
    """Genotypes and objectives of all that any run had in its archive at its end, each once."""
    X = np.concatenate([run.X for run in problem.trajectories])
    F = np.concatenate([run.F for run in problem.trajectories])
    F, first = np.unique(F, axis=0, return_index=True)
    return X[first], F


def test_what_is_kept_is_what_the_task_says(problem):
    X, F = archives(problem)
    found = problem.task.evaluate(X)
    assert np.array_equal(found.F, F)
    assert (found.G <= 0).all()


def test_no_archive_dominates_a_point_of_an_exact_front(problem):
    reference = problem.reference
    if problem.task.space.name == "mbconv-stage":
        assert reference.kind == "exact"
    else:
        assert reference.kind == "pooled"
    _, F = archives(problem)
    F = F[moocore.is_nondominated(F)]
    together = np.concatenate([reference.F, F])
    kept = moocore.is_nondominated(together, keep_weakly=True)
    # Pooled fronts hold all that these runs found, so that they are not beaten by them either.
    assert kept[: len(reference.F)].all()
    # And whatever is not dominated is on the front.
    beyond = {tuple(f) for f in together[kept]} - {tuple(f) for f in reference.F}
    assert not beyond


def test_every_algorithm_has_its_seeds(problem):
    runs = {(run.algorithm, run.seed, run.budget) for run in problem.trajectories}
    assert len(runs) == len(problem.trajectories)
    for algorithm in problem.algorithms:
        seeds = {run.seed for run in problem.trajectories if run.algorithm == algorithm}
        assert seeds == set(range(21)), algorithm


def test_runs_are_stamped_as_those_of_the_present_code(problem):
    # Or else `python benchmarks/restamp_runs.py` has to prove that they are.
    stamps = {(run.algorithm, run.metadata["optimiser"]) for run in problem.trajectories}
    assert stamps == {(name, optimiser_fingerprint(name)) for name, _ in stamps}
