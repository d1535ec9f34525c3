"""What the register knows of each optimiser that the package brings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from mcu_nas_moo.optimisers.tunable import Choice, Range

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.contracts.optimiser import Factory, Optimiser, Setting
    from mcu_nas_moo.optimisers.tunable import Stage


class Entry(NamedTuple):
    """An optimiser of the register.

    Attributes:
        description: one line for users.
        load: imports what the optimiser needs and returns what builds it.
        code: files of the package that decide what it proposes.
        libraries: installed packages that do so.
        settings: imports the dataclass of its hyperparameters; None if it has none to set.
        tunable: what the two stages of the tuning command change; None for nothing. Stage 1 tunes
            how the optimiser searches. Stage 2 tunes what it is rewarded for, or, for evolutionary
            algorithms, which have no reward, how their operators vary the genotypes. A name
            stands in one stage only.
        logs: writes to TensorBoard.
        any_time: its proposals do not depend on the budget, so that a run with a larger budget
            begins with the run with a smaller one.
        replayable: keeps no state beyond its seed and what it was told: a new one that is told the
            same in the same order proposes the same, so that a search is resumed by a replay.
        learns_from_others: can be told evaluations that it did not ask for.
        ceiling: largest budget that is sensible because its own time per evaluation grows; None
            if there is none.
    """

    description: str
    load: Callable[[], Factory]
    code: tuple[str, ...]
    libraries: tuple[str, ...] = ("numpy",)
    settings: Callable[[], type[Any]] | None = None
    tunable: tuple[Stage, Stage] | None = None
    logs: bool = False
    any_time: bool = False
    replayable: bool = True
    learns_from_others: bool = False
    ceiling: int | None = None


def _named(module: str, name: str) -> Callable[[], Any]:
    """Imports ``name`` from a module of this package when it is called."""

    def load() -> Any:
        return getattr(import_module(f"mcu_nas_moo.optimisers.{module}"), name)

    return load


def _ppo() -> Factory:
    import torch

    from mcu_nas_moo.optimisers.ppo import PPOOptimiser, PPOSettings

    # Runs are parallel already, and sums in one thread do not depend on the number of cores.
    torch.set_num_threads(1)
    # What the first proposals and the first update import is not the time of a run.
    first = PPOOptimiser([4] * 4, n_objectives=1, seed=0)
    X = first.ask()
    first.tell(X, X[:, :1])

    def build(setting: Setting) -> Optimiser:
        task = setting.task
        chosen: dict[str, Any] = dict(setting.hyperparameters)
        log: dict[str, Any] = {}
        if setting.tensorboard is not None:
            log["tensorboard"] = setting.tensorboard
        return PPOOptimiser(
            task.n_choices,
            task.n_obj,
            task.n_con,
            setting.seed,
            PPOSettings(**chosen),
            canonical=task.space.canonical,
            **log,
        )

    return build


def _ppo_plain() -> Factory:
    import torch

    from mcu_nas_moo.optimisers.wrapped.plain_ppo import PlainPPO

    torch.set_num_threads(1)

    return PlainPPO


def _ppo_settings() -> type[Any]:
    from mcu_nas_moo.optimisers.ppo import PPOSettings

    return PPOSettings


_VARIATION = ("problem/adapters/pymoo_operators.py", "common/genotypes.py")
_NSGA = ("optimisers/wrapped/pymoo_optimisers.py", *_VARIATION)
_MANY = ("optimisers/wrapped/many_objective.py", *_NSGA)
_PYMOO = ("numpy", "pymoo")
_OPTUNA_STUDY = ("optimisers/wrapped/optuna_study.py", "optimisers/simple/known_networks.py")
_OPTUNA_NSGA = ("optimisers/wrapped/optuna_nsga.py", *_OPTUNA_STUDY, *_NSGA)
_OPTUNA = ("numpy", "optuna")
_nsga_settings = _named("wrapped.pymoo_optimisers", "NSGASettings")
_TUNED_VARIATION: Stage = {
    "crossover": Range(0.0, 1.0),
    "mutated_genes": Range(0.5, 4.0, log=True),
}
_TUNED_NSGA: tuple[Stage, Stage] = (
    {"population": Range(0.3, 3.0, log=True), "offspring": Range(0.1, 1.0)},
    _TUNED_VARIATION,
)
_optuna_settings = _named("wrapped.optuna_nsga", "OptunaNSGASettings")
#: The modules of ``optimisers/ppo/`` that decide what is proposed; the others are its faces.
_PPO_CORE = (
    *("agent", "memory", "optimiser", "reward"),
    *("search", "settings", "surrogate", "variation"),
)
_PPO_LIBRARIES = ("moocore", "numpy", "scipy", "stable-baselines3", "torch")

ENTRIES = {
    "random": Entry(
        "uniform random search",
        _named("simple.random_search", "RandomSearch"),
        ("optimisers/simple/random_search.py",),
        any_time=True,
    ),
    "grid": Entry(
        "the largest even grid over the genes within the budget, then finer ones",
        _named("simple.grid", "Grid"),
        ("optimisers/simple/grid.py", "optimisers/simple/known_networks.py"),
    ),
    "exhaustive": Entry(
        "every network once; for spaces that are no larger than the budget",
        _named("simple.exhaustive", "Exhaustive"),
        ("optimisers/simple/exhaustive.py", "optimisers/simple/known_networks.py"),
        any_time=True,
    ),
    "local-search": Entry(
        "Pareto local search: the neighbours of the archive, with restarts",
        _named("simple.local_search", "ParetoLocalSearch"),
        (
            "optimisers/simple/local_search.py",
            "optimisers/simple/known_networks.py",
            "common/genotypes.py",
        ),
        settings=_named("simple.local_search", "LocalSearchSettings"),
        any_time=True,
    ),
    "regularised-evolution": Entry(
        "ageing evolution, tournaments by violation and random Chebyshev weights",
        _named("simple.regularised_evolution", "RegularisedEvolution"),
        (
            "optimisers/simple/regularised_evolution.py",
            "optimisers/simple/known_networks.py",
            "common/genotypes.py",
        ),
        settings=_named("simple.regularised_evolution", "RegularisedEvolutionSettings"),
        any_time=True,
    ),
    "ga": Entry(
        "single-objective GA (pymoo), swept over bounds within the reference range",
        _named("wrapped.epsilon_constraint", "EpsilonConstraintGA"),
        ("optimisers/wrapped/epsilon_constraint.py", *_NSGA),
        _PYMOO,
        _named("wrapped.epsilon_constraint", "GASettings"),
        tunable=(
            {
                "evaluations_per_bound": Range(25, 400, log=True),
                "population": Range(0.5, 2.0, log=True),
                "offspring": Range(0.1, 1.0),
            },
            _TUNED_VARIATION,
        ),
    ),
    "nsga2": Entry(
        "NSGA-II (pymoo) with operators for small alphabets",
        _named("wrapped.pymoo_optimisers", "nsga2"),
        _NSGA,
        _PYMOO,
        _nsga_settings,
        _TUNED_NSGA,
    ),
    "nsga3": Entry(
        "NSGA-III (pymoo), Das-Dennis directions, same operators",
        _named("wrapped.pymoo_optimisers", "nsga3"),
        _NSGA,
        _PYMOO,
        _nsga_settings,
        _TUNED_NSGA,
    ),
    "unsga3": Entry(
        "U-NSGA-III (pymoo), parents chosen by niche and rank, same operators",
        _named("wrapped.many_objective", "unsga3"),
        _MANY,
        _PYMOO,
        _nsga_settings,
    ),
    "ctaea": Entry(
        "C-TAEA (pymoo), archives for convergence and diversity, same operators",
        _named("wrapped.many_objective", "ctaea"),
        _MANY,
        _PYMOO,
        _named("wrapped.many_objective", "CTAEASettings"),
    ),
    "smsemoa": Entry(
        "SMS-EMOA (pymoo), selection by hypervolume, same operators",
        _named("wrapped.many_objective", "smsemoa"),
        _MANY,
        (*_PYMOO, "moocore"),
        _named("wrapped.many_objective", "SMSEMOASettings"),
    ),
    "agemoea": Entry(
        "AGE-MOEA (pymoo), adapts to the shape of the front, same operators",
        _named("wrapped.many_objective", "AGEMOEAOptimiser"),
        _MANY,
        _PYMOO,
        _nsga_settings,
    ),
    "rvea": Entry(
        "RVEA (pymoo), adaptive reference vectors, same operators",
        _named("wrapped.many_objective", "rvea"),
        _MANY,
        _PYMOO,
        _named("wrapped.many_objective", "RVEASettings"),
    ),
    "optuna-nsga2": Entry(
        "NSGA-II (Optuna) with a mutation for small alphabets; its time grows with the run",
        _named("wrapped.optuna_nsga", "optuna_nsga2"),
        _OPTUNA_NSGA,
        (*_OPTUNA, "pymoo"),  # whose Das-Dennis directions serve both
        _optuna_settings,
        ceiling=5000,
    ),
    "optuna-nsga3": Entry(
        "NSGA-III (Optuna), Das-Dennis directions, same mutation; its time grows with the run",
        _named("wrapped.optuna_nsga", "optuna_nsga3"),
        _OPTUNA_NSGA,
        (*_OPTUNA, "pymoo"),  # whose Das-Dennis directions serve both
        _optuna_settings,
        ceiling=5000,
    ),
    "tpe": Entry(
        "multivariate TPE (Optuna); its time per evaluation grows with the run",
        _named("wrapped.optuna_tpe", "tpe"),
        ("optimisers/wrapped/optuna_tpe.py", *_OPTUNA_STUDY, "common/genotypes.py"),
        _OPTUNA,
        any_time=True,
        ceiling=2000,
    ),
    "ppo": Entry(
        "PPO policy (Stable-Baselines3), trained and chosen from on a surrogate of what is known",
        _ppo,
        (*(f"optimisers/ppo/{part}.py" for part in _PPO_CORE), "common/genotypes.py"),
        _PPO_LIBRARIES,
        _ppo_settings,
        (
            {
                "learning_rate": Range(3e-4, 1e-2, log=True),
                "batch_size": Choice((16, 24, 32, 48, 64)),
                "epochs": Range(2, 12),
                "clip_range": Range(0.1, 0.4),
                "entropy_start": Range(1e-3, 0.1, log=True),
                "imitation_steps": Range(0, 12),
            },
            # Its reward has nothing to set; what can be set is where rewards come from besides
            # evaluations, and what is bred.
            {
                "surrogate_fit": Range(0.0, 0.9),
                "surrogate_share": Range(0.5, 1.0),
                "optimism": Range(0.0, 3.0),
                "rollouts": Range(0, 512),
                "candidates": Range(64, 1024, log=True),
                "generations": Range(0, 8),
                "elites": Range(8, 64, log=True),
            },
        ),
        logs=True,
        any_time=True,
        learns_from_others=True,
    ),
    "ppo-plain": Entry(
        "PPO (Stable-Baselines3) in the usual way, once per latency target",
        _ppo_plain,
        (
            "optimisers/wrapped/plain_ppo.py",
            "optimisers/wrapped/paused_thread.py",
            "problem/rewards.py",
            "optimisers/wrapped/epsilon_constraint.py",
        ),
        _PPO_LIBRARIES,
        _named("wrapped.plain_ppo", "PlainPPOSettings"),
        (
            {
                "learning_rate": Range(1e-4, 1e-2, log=True),
                "n_steps": Choice((8, 16, 32)),
                "n_epochs": Range(3, 30, log=True),
                "clip_range": Range(0.1, 0.4),
                "ent_coef": Range(0.0, 0.1),
                "evaluations_per_target": Range(100, 2000, log=True),
            },
            {
                "reward": Choice(("penalty", "mnasnet")),
                "penalty": Range(0.1, 10.0, log=True),
                "exponent_below": Range(-0.3, 0.0),
                "exponent_above": Range(-1.0, 0.0),
            },
        ),
        logs=True,
    ),
}
