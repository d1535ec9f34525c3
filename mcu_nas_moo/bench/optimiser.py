"""The contract of every optimiser, and the register of those that can be compared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import mcu_nas_moo
from mcu_nas_moo.naming import unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.task import Task
    from mcu_nas_moo.typing import FloatArray, Genotypes


class Optimiser(Protocol):
    """Proposes genotypes and learns from what they are worth.

    The harness calls :meth:`ask` and :meth:`tell` in turn until the budget is used up.
    """

    def ask(self) -> Genotypes:
        """Genotypes to evaluate next, shape ``(n, n_genes)``; no rows ends the run."""

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        """Take in objectives ``F`` ``(n, n_obj)`` and constraints ``G`` ``(n, n_con)``.

        ``X`` is what was asked, or its first rows where the budget ends within a batch.
        """


@dataclass(frozen=True)
class Setting:
    """What an optimiser may know before it starts.

    Attributes:
        task: the problem; an optimiser must not evaluate it by itself.
        ideal, nadir: shape ``(n_obj,)``, the range of the objectives on the reference front.
        budget: number of evaluations of the run.
        seed: of all randomness.
    """

    task: Task
    ideal: FloatArray
    nadir: FloatArray
    budget: int
    seed: int


#: Builds a fresh optimiser for one run.
Factory: TypeAlias = "Callable[[Setting], Optimiser]"


class _Entry(NamedTuple):
    """An optimiser of the register.

    ``load`` imports what the optimiser needs and returns what builds it; ``code`` (patterns of
    files in the package) and ``libraries`` decide what it proposes.
    """

    description: str
    load: Callable[[], Factory]
    code: tuple[str, ...]
    libraries: tuple[str, ...] = ("numpy",)


def _random() -> Factory:
    from mcu_nas_moo.bench.random_search import RandomSearch

    return RandomSearch


def _ga() -> Factory:
    from mcu_nas_moo.bench.epsilon_constraint import EpsilonConstraintGA

    return EpsilonConstraintGA


def _nsga2() -> Factory:
    from mcu_nas_moo.bench.pymoo_optimisers import nsga2

    return nsga2


def _nsga3() -> Factory:
    from mcu_nas_moo.bench.pymoo_optimisers import nsga3

    return nsga3


def _tpe() -> Factory:
    from mcu_nas_moo.bench.optuna_optimisers import TPE

    return TPE


def _ppo() -> Factory:
    import torch

    from mcu_nas_moo.ppo import PPOOptimiser

    # Runs are parallel already, and sums in one thread do not depend on the number of cores.
    torch.set_num_threads(1)
    # What the first proposals and the first update import is not the time of a run.
    first = PPOOptimiser([4] * 4, n_objectives=1, seed=0)
    X = first.ask()
    first.tell(X, X[:, :1])

    def build(setting: Setting) -> Optimiser:
        task = setting.task
        return PPOOptimiser(
            task.n_choices, task.n_obj, task.n_con, setting.seed, canonical=task.space.canonical
        )

    return build


_PYMOO = (("bench/pymoo_optimisers.py", "operators.py", "discrete.py"), ("numpy", "pymoo"))
_REGISTER = {
    "random": _Entry("uniform random search", _random, ("bench/random_search.py",)),
    "ga": _Entry(
        "single-objective GA (pymoo), swept over bounds within the reference range",
        _ga,
        ("bench/epsilon_constraint.py", *_PYMOO[0]),
        _PYMOO[1],
    ),
    "nsga2": _Entry("NSGA-II (pymoo) with operators for small alphabets", _nsga2, *_PYMOO),
    "nsga3": _Entry("NSGA-III (pymoo), Das-Dennis directions, same operators", _nsga3, *_PYMOO),
    "tpe": _Entry(
        "multivariate TPE (Optuna); about 20 ms per evaluation, growing",
        _tpe,
        ("bench/optuna_optimisers.py",),
        ("numpy", "optuna"),
    ),
    "ppo": _Entry(
        "PPO policy (Stable-Baselines3), imitating and varying an elite archive",
        _ppo,
        ("ppo/*.py", "discrete.py"),
        ("numpy", "stable-baselines3", "torch"),
    ),
}


def list_optimisers() -> dict[str, str]:
    """Names of the optimisers and one line about each."""
    return {name: entry.description for name, entry in _REGISTER.items()}


def check_optimiser(name: str) -> str:
    """Return ``name`` if an optimiser has it.

    Raises:
        ValueError: if none has; the message lists the names and the nearest one.
    """
    if name not in _REGISTER:
        raise unknown_name("algorithm", name, list(_REGISTER))
    return name


def load_optimiser(name: str) -> Factory:
    """What builds the optimiser of that name; imports all that the optimiser needs.

    Raises:
        ValueError: for an unknown name.
    """
    return _REGISTER[check_optimiser(name)].load()


@cache
def optimiser_fingerprint(name: str) -> str:
    """Hash of the code and the libraries that decide what an optimiser proposes.

    Raises:
        ValueError: for an unknown name.
    """
    entry = _REGISTER[check_optimiser(name)]
    package = Path(mcu_nas_moo.__file__).parent
    digest = hashlib.sha256()
    for pattern in entry.code:
        for path in sorted(package.glob(pattern)):
            digest.update(path.read_bytes())
    for library in entry.libraries:
        digest.update(f"{library} {installed_version(library)}".encode())
    return digest.hexdigest()[:16]


@cache
def installed_version(package: str) -> str:
    """Version of an installed package; says so if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
