"""The register of the optimisers that can be compared."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import mcu_nas_moo
from mcu_nas_moo.naming import unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mcu_nas_moo.optimisers.optimiser import Factory, Optimiser, Setting


class _Entry(NamedTuple):
    """An optimiser of the register.

    ``load`` imports what the optimiser needs and returns what builds it; ``code`` (patterns of
    files in the package) and ``libraries`` decide what it proposes. ``settings`` imports the
    dataclass of its hyperparameters, None if it has none to set; ``logs``: writes to TensorBoard.
    """

    description: str
    load: Callable[[], Factory]
    code: tuple[str, ...]
    libraries: tuple[str, ...] = ("numpy",)
    settings: Callable[[], type[Any]] | None = None
    logs: bool = False


def _random() -> Factory:
    from mcu_nas_moo.optimisers.random_search import RandomSearch

    return RandomSearch


def _ga() -> Factory:
    from mcu_nas_moo.optimisers.epsilon_constraint import EpsilonConstraintGA

    return EpsilonConstraintGA


def _nsga2() -> Factory:
    from mcu_nas_moo.optimisers.pymoo_optimisers import nsga2

    return nsga2


def _nsga3() -> Factory:
    from mcu_nas_moo.optimisers.pymoo_optimisers import nsga3

    return nsga3


def _tpe() -> Factory:
    from mcu_nas_moo.optimisers.optuna_optimisers import TPE

    return TPE


def _ppo() -> Factory:
    import torch

    from mcu_nas_moo.ppo import PPOOptimiser, PPOSettings

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

    from mcu_nas_moo.optimisers.plain_ppo import PlainPPO

    torch.set_num_threads(1)
    return PlainPPO


def _ppo_settings() -> type[Any]:
    from mcu_nas_moo.ppo import PPOSettings

    return PPOSettings


def _ppo_plain_settings() -> type[Any]:
    from mcu_nas_moo.optimisers.plain_ppo import PlainPPOSettings

    return PlainPPOSettings


def _ga_settings() -> type[Any]:
    from mcu_nas_moo.optimisers.epsilon_constraint import GASettings

    return GASettings


def _nsga_settings() -> type[Any]:
    from mcu_nas_moo.optimisers.pymoo_optimisers import NSGASettings

    return NSGASettings


_PYMOO = (("optimisers/pymoo_optimisers.py", "operators.py", "discrete.py"), ("numpy", "pymoo"))
#: The modules of ``ppo/`` that decide what is proposed; the others adapt it to frameworks.
_PPO_CORE = (
    *("agent", "memory", "optimiser", "reward"),
    *("search", "settings", "surrogate", "variation"),
)
_PPO_LIBRARIES = ("moocore", "numpy", "scipy", "stable-baselines3", "torch")
_REGISTER = {
    "random": _Entry("uniform random search", _random, ("optimisers/random_search.py",)),
    "ga": _Entry(
        "single-objective GA (pymoo), swept over bounds within the reference range",
        _ga,
        ("optimisers/epsilon_constraint.py", *_PYMOO[0]),
        _PYMOO[1],
        _ga_settings,
    ),
    "nsga2": _Entry(
        "NSGA-II (pymoo) with operators for small alphabets", _nsga2, *_PYMOO, _nsga_settings
    ),
    "nsga3": _Entry(
        "NSGA-III (pymoo), Das-Dennis directions, same operators", _nsga3, *_PYMOO, _nsga_settings
    ),
    "tpe": _Entry(
        "multivariate TPE (Optuna); its time per evaluation grows with the run",
        _tpe,
        ("optimisers/optuna_optimisers.py",),
        ("numpy", "optuna"),
    ),
    "ppo": _Entry(
        "PPO policy (Stable-Baselines3), trained and chosen from on a surrogate of what is known",
        _ppo,
        (*(f"ppo/{part}.py" for part in _PPO_CORE), "discrete.py"),
        _PPO_LIBRARIES,
        _ppo_settings,
        logs=True,
    ),
    "ppo-plain": _Entry(
        "PPO (Stable-Baselines3) in the usual way, once per latency target",
        _ppo_plain,
        (
            "optimisers/plain_ppo.py",
            "optimisers/paused_thread.py",
            "rewards.py",
            "optimisers/epsilon_constraint.py",
        ),
        _PPO_LIBRARIES,
        _ppo_plain_settings,
        logs=True,
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


def default_hyperparameters(name: str) -> dict[str, Any]:
    """Every hyperparameter of that optimiser that can be set, with its default.

    Raises:
        ValueError: for an unknown name.
    """
    settings = _REGISTER[check_optimiser(name)].settings
    if settings is None:
        return {}
    defaults = settings()()
    return {entry.name: getattr(defaults, entry.name) for entry in fields(defaults)}


def check_hyperparameters(name: str, given: Mapping[str, object]) -> dict[str, object]:
    """Those of ``given`` that differ from the defaults of the optimiser, by name.

    Raises:
        ValueError: for names that the optimiser does not have, or values that it refuses.
    """
    defaults = default_hyperparameters(name)
    for key, value in given.items():
        if not defaults:
            raise ValueError(f"{name} has no hyperparameters to set, got {key}")
        if key not in defaults:
            raise unknown_name(f"hyperparameter of {name}", key, list(defaults))
        default = defaults[key]
        kinds = (int, float) if type(default) is float else type(default)
        if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool):
            raise ValueError(f"{key} of {name} must be like {default!r}, got {value!r}")
    settings = _REGISTER[name].settings
    if settings is not None:
        settings()(**given)
    return {key: value for key, value in given.items() if value != defaults[key]}


def writes_log(name: str) -> bool:
    """Whether the runs of that optimiser can be followed in TensorBoard.

    Raises:
        ValueError: for an unknown name.
    """
    return _REGISTER[check_optimiser(name)].logs


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
