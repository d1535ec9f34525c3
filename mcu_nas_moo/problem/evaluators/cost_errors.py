"""How far learned costs are from the analytic model, or from measurements."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time
from timeit import repeat
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from mcu_nas_moo.common.tables import new_table
from mcu_nas_moo.contracts.metrics import VIOLATION
from mcu_nas_moo.problem.evaluators.cost_labels import CHUNK, analytic_costs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.table import Table

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.problem.evaluators.cost_predictor import LearnedCosts
    from mcu_nas_moo.spaces import SearchSpace

#: Random subnets that learned costs are judged on.
HELD_OUT = 10_000


@dataclass(frozen=True)
class Distance:
    """How far predictions of one metric are from its true values.

    Attributes:
        mape: mean of the absolute errors, in per cent of the true values.
        worst: largest of them.
        kendall_tau: 1 if the order is the same.

    A constraint violation may be 0; its errors are in per cent of the limits, not of the value.
    """

    metric: str
    mape: float
    worst: float
    kendall_tau: float

    @classmethod
    def of(cls, metric: str, predicted: FloatArray, true: FloatArray) -> Distance:
        """The distance between two arrays ``(N,)``."""
        scale = np.ones_like(true) if metric == VIOLATION else true
        errors = 100 * np.abs(predicted - true) / scale
        tau = float(kendalltau(predicted, true).statistic)
        return cls(metric, float(errors.mean()), float(errors.max()), tau)


@dataclass(frozen=True)
class Feasibility:
    """Whether learned costs and the analytic model agree on what meets all limits.

    Attributes:
        feasible: share of the subnets that meet them by the analytic model.
        wrongly_accepted: of the subnets that the learned costs accept, the share that exceed a
            limit; NaN if they accept none.
        wrongly_rejected: of the subnets that meet the limits, the share that the learned costs
            reject; NaN if there are none.
    """

    feasible: float
    wrongly_accepted: float
    wrongly_rejected: float

    @classmethod
    def of(cls, accepted: BoolArray, feasible: BoolArray) -> Feasibility:
        """Compare two masks ``(N,)``."""
        return cls(
            feasible=float(feasible.mean()),
            wrongly_accepted=_share(~feasible, accepted),
            wrongly_rejected=_share(~accepted, feasible),
        )


@dataclass(frozen=True)
class Comparison:
    """Learned costs against the analytic model on random subnets not used for fitting.

    Attributes:
        feasibility: under the limits of the profile; None if no metric that they bound was learned.
        learned_ms, analytic_ms: processor time for 1,000 subnets, from genotypes to costs, in
            batches.
    """

    subnets: int
    distances: tuple[Distance, ...]
    feasibility: Feasibility | None
    learned_ms: float
    analytic_ms: float


def compare_with_analytic(
    costs: LearnedCosts,
    space: SearchSpace,
    profile: Profile,
    *,
    fitted_on: Genotypes | None = None,
    n: int = HELD_OUT,
    seed: int = 0,
) -> Comparison:
    """Judge learned costs on ``n`` uniform subnets, without those they were ``fitted_on``."""
    X = space.canonical(space.sample(n, np.random.default_rng([seed, 30])))
    if fitted_on is not None:
        known = {row.tobytes() for row in space.canonical(fitted_on)}
        X = X[[row.tobytes() not in known for row in X]]
    true, predicted = analytic_costs(space, profile, X), costs.predict(space, X)
    feasibility = None
    if set(predicted) & set(profile.limits.model_dump()):
        accepted = meets_limits(true | predicted, profile)
        feasibility = Feasibility.of(accepted, meets_limits(true, profile))
    batch = X[:CHUNK]
    return Comparison(
        subnets=len(X),
        distances=distances(predicted, true),
        feasibility=feasibility,
        learned_ms=_ms_per_thousand(lambda: costs.predict(space, batch), len(batch)),
        analytic_ms=_ms_per_thousand(lambda: analytic_costs(space, profile, batch), len(batch)),
    )


def distances(
    predicted: Mapping[str, FloatArray], true: Mapping[str, FloatArray]
) -> tuple[Distance, ...]:
    """Distance of each predicted metric."""
    return tuple(Distance.of(name, values, true[name]) for name, values in predicted.items())


def meets_limits(metrics: Mapping[str, FloatArray], profile: Profile) -> BoolArray:
    """Which networks meet all limits of the profile, shape ``(N,)``."""
    limits = profile.limits.model_dump()
    return np.asarray(np.all([metrics[name] <= limit for name, limit in limits.items()], axis=0))


def exceeds_by_analytic_model(space: SearchSpace, profile: Profile, X: Genotypes) -> BoolArray:
    """Which genotypes ``X`` ``(N, n_genes)`` exceed a limit by the analytic model, ``(N,)``."""
    return ~meets_limits(analytic_costs(space, profile, X), profile)


def distance_table(columns: Mapping[str, Sequence[Distance]]) -> Table:
    """One row per metric; for each heading of ``columns`` its three figures."""
    headings = []
    for heading in columns:
        own, others = (f"{heading}\n", "\n") if heading else ("", "")
        headings += [f"{own}MAPE %", f"{others}worst %", f"{others}Kendall's tau"]
    table = new_table(["metric"], headings)
    for row in zip(*columns.values(), strict=True):
        figures = [(f"{d.mape:.2f}", f"{d.worst:.1f}", f"{d.kendall_tau:.4f}") for d in row]
        table.add_row(row[0].metric, *(text for texts in figures for text in texts))
    return table


def _share(part: BoolArray, whole: BoolArray) -> float:
    return float(part[whole].mean()) if whole.any() else float("nan")


def _ms_per_thousand(work: Callable[[], object], networks: int, repeats: int = 5) -> float:
    return min(repeat(work, timer=process_time, repeat=repeats, number=1)) * 1e6 / networks
