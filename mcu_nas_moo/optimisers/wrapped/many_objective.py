"""pymoo's algorithms for many objectives, with the operators and populations of NSGA-II here.

C-TAEA and RVEA compare angles between the objectives as they are, so that the unit of one
objective decides; they are told objectives that are 0 at the ideal and 1 at the nadir.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.algorithms.moo.ctaea import CTAEA
from pymoo.algorithms.moo.rvea import RVEA
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.moo.unsga3 import UNSGA3
from pymoo.operators.selection.tournament import TournamentSelection

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.optimisers.wrapped.pymoo_optimisers import (
    NSGASettings,
    PymooOptimiser,
    VariationSettings,
    blank_problem,
    das_dennis,
    population_size,
)

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.optimiser import Setting


@dataclass(frozen=True)
class SMSEMOASettings(NSGASettings):
    """Those of NSGA-II, with fewer children: each is judged by the hypervolume that it adds.

    The original algorithm makes one at a time, which is no better here and takes longer.
    """

    offspring: float = 0.25


@dataclass(frozen=True)
class CTAEASettings(VariationSettings):
    """Hyperparameters of C-TAEA.

    Attributes:
        population: factor on the usual number of directions, positive. Both archives have one
            individual per direction.
    """

    population: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.population > 0:
            raise InputError(f"population must be positive, got {self.population}")


@dataclass(frozen=True)
class RVEASettings(NSGASettings):
    """Hyperparameters of RVEA.

    Attributes:
        alpha: how late diversity starts to count, positive.
    """

    alpha: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.alpha > 0:
            raise InputError(f"alpha must be positive, got {self.alpha}")


class _Normalised(PymooOptimiser):
    """Tells its algorithm objectives with the ideal at 0 and the nadir at 1."""

    def __init__(self, setting: Setting, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ideal = setting.ideal
        span = setting.nadir - setting.ideal
        self._span = np.where(span > 0, span, 1.0)

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        super().tell(X, (F - self._ideal) / self._span, G)


def unsga3(setting: Setting) -> PymooOptimiser:
    """U-NSGA-III (Seada and Deb 2016): NSGA-III with parents chosen by niche and rank."""
    task, chosen = setting.task, NSGASettings.of(setting)
    directions = das_dennis(task.n_obj, chosen.size(setting.budget))
    size = max(len(directions), 4)
    algorithm = UNSGA3(
        directions,
        pop_size=size,
        n_offsprings=chosen.children(size),
        selection=TournamentSelection(func_comp=_by_niche),
        **chosen.operators(task),
    )
    return PymooOptimiser(
        algorithm, *_task_of(setting), {"directions": len(directions), **setting.hyperparameters}
    )


def ctaea(setting: Setting) -> PymooOptimiser:
    """C-TAEA (Li et al. 2019): an archive for convergence and one for diversity."""
    hyperparameters: dict[str, Any] = dict(setting.hyperparameters)
    task, chosen = setting.task, CTAEASettings(**hyperparameters)
    usual = round(chosen.population * population_size(setting.budget))
    start = _distinct(setting, max(usual, 4))
    directions = das_dennis(task.n_obj, len(start))
    operators = chosen.operators(task)
    # pymoo 0.6.2 fills the archives without end if it starts with fewer than it has directions.
    operators["sampling"] = start[: len(directions)]
    return _Normalised(
        setting,
        CTAEA(directions, **operators),
        *_task_of(setting),
        {"directions": len(directions), **hyperparameters},
    )


def smsemoa(setting: Setting) -> PymooOptimiser:
    """SMS-EMOA (Beume et al. 2007): who adds least hypervolume leaves."""
    hyperparameters: dict[str, Any] = dict(setting.hyperparameters)
    task, chosen = setting.task, SMSEMOASettings(**hyperparameters)
    size = chosen.size(setting.budget)
    algorithm = SMSEMOA(pop_size=size, n_offsprings=chosen.children(size), **chosen.operators(task))
    return PymooOptimiser(algorithm, *_task_of(setting), {"pop_size": size, **hyperparameters})


def rvea(setting: Setting) -> PymooOptimiser:
    """RVEA (Cheng et al. 2016): the best along each of many reference vectors, which adapt.

    Raises:
        InputError: for a single objective, which has no reference vectors.
    """
    hyperparameters: dict[str, Any] = dict(setting.hyperparameters)
    task, chosen = setting.task, RVEASettings(**hyperparameters)
    if task.n_obj == 1:
        raise InputError("rvea needs at least two objectives, got one; nsga2 or ga take one")
    directions = das_dennis(task.n_obj, chosen.size(setting.budget))
    size = max(len(directions), 4)
    children = chosen.children(size)
    algorithm = RVEA(
        directions,
        alpha=chosen.alpha,
        pop_size=size,
        n_offsprings=children,
        **chosen.operators(task),
    )
    return _Normalised(
        setting,
        algorithm,
        *_task_of(setting),
        {"directions": len(directions), **hyperparameters},
        evaluations=max(setting.budget, size + children),
    )


class AGEMOEAOptimiser(PymooOptimiser):
    """AGE-MOEA (Panichella 2019): diversity measured by the estimated shape of the front."""

    def __init__(self, setting: Setting) -> None:
        task, chosen = setting.task, NSGASettings.of(setting)
        size = chosen.size(setting.budget)
        algorithm = _uncompiled_agemoea().AGEMOEA(
            pop_size=size, n_offsprings=chosen.children(size), **chosen.operators(task)
        )
        super().__init__(
            algorithm, *_task_of(setting), {"pop_size": size, **setting.hyperparameters}
        )

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        # pymoo divides by distances and ranges that are zero in small fronts.
        with np.errstate(divide="ignore", invalid="ignore"):
            super().tell(X, F, G)


@cache
def _uncompiled_agemoea() -> Any:
    """The module of AGE-MOEA in pymoo, with functions that are not compiled.

    pymoo wants numba for four small functions. As plain Python they need no more than a few
    percent of a run and no time to compile, and their sums do not depend on a compiler. The
    module is a copy of its own; pymoo's, if it is used elsewhere, stays as it is.
    """
    stand_in = ModuleType("numba")
    vars(stand_in).update(
        jit=lambda **_: lambda function: function,
        intp=np.intp,
        boolean=np.bool_,
        float64=np.float64,
    )
    spec = find_spec("pymoo.algorithms.moo.age")
    if spec is None or spec.loader is None:
        raise InputError("pymoo lacks AGE-MOEA; pip install 'pymoo>=0.6.2'")
    module = module_from_spec(spec)
    installed = sys.modules.get("numba")
    sys.modules["numba"] = stand_in
    try:
        spec.loader.exec_module(module)
    finally:
        if installed is None:
            del sys.modules["numba"]
        else:
            sys.modules["numba"] = installed
    return module


def _task_of(setting: Setting) -> tuple[Any, Any, int]:
    """What every algorithm is set up with: its problem, the task and the seed."""
    task = setting.task
    return blank_problem(task, task.n_obj, task.n_con), task, setting.seed


def _distinct(setting: Setting, count: int) -> Genotypes:
    """Random genotypes of ``count`` different networks; fewer if the space has fewer."""
    space = setting.task.space
    rng = np.random.default_rng([setting.seed, 2])
    found = np.zeros((0, space.n_genes), dtype=np.int64)
    for _ in range(100):
        found = np.concatenate([found, space.canonical(space.sample(count, rng))])
        _, first = np.unique(found, axis=0, return_index=True)
        found = found[np.sort(first)[:count]]
        if len(found) == min(count, space.n_networks):
            break
    return found


def _by_niche(pop: Any, P: Any, random_state: np.random.Generator, **_: Any) -> IntArray:
    """U-NSGA-III's binary tournament; ties are drawn.

    Less violation wins; of two feasible individuals of one niche the better rank, then the
    shorter distance to the direction. pymoo 0.6.2's own version draws ties from an unseeded
    generator, so that a run could not be repeated.
    """
    first, second = P[:, 0], P[:, 1]
    violation = pop.get("CV")[:, 0]
    coin = random_state.random(len(P)) < 0.5
    wins, loses = _smaller(violation[first], violation[second])
    niche = pop.get("niche")
    for row in np.flatnonzero((violation[first] <= 0) & (violation[second] <= 0)):
        a, b = first[row], second[row]
        if niche[a] == niche[b]:
            keys = [(pop[i].get("rank"), pop[i].get("dist_to_niche")) for i in (a, b)]
            wins[row], loses[row] = keys[0] < keys[1], keys[1] < keys[0]
    winner = np.where(wins | (~loses & coin), first, second)
    return np.asarray(winner[:, None], dtype=np.int64)


def _smaller(a: FloatArray, b: FloatArray) -> tuple[BoolArray, BoolArray]:
    return a < b, b < a
