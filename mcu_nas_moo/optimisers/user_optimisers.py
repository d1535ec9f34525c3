"""Optimisers that users bring: named ``module:name``, or announced by an installed package.

Three kinds are understood, told apart by what the object is or has:

- a pymoo ``Algorithm``: a class, a function that returns one, or an object, which is copied for
  each run. A class gets the operators of ``pymoo_operators`` for those that its
  constructor names, since pymoo's own make real numbers, and Das-Dennis ``ref_dirs`` if it asks
  for directions;
- an Optuna sampler: a class, a function that returns one, or an object, which is copied;
- an object with the methods ``ask`` and ``tell`` of
  ``Optimiser``: a class, a function that returns one, or
  an object, which is copied.

A class or function is called with ``seed`` if it has such a parameter, and with the run's
``Setting`` for a parameter named ``setting`` or, failing
that, its first one without a default. An object cannot be told the seed, so pymoo's algorithms and
the generators of Optuna's samplers are seeded from outside; an ask/tell object is better a class.

The attributes ``any_time = True`` (the proposals do not depend on the budget) and ``ceiling`` (the
largest sensible budget) of the class, function or object mean what they mean in the register;
``replayable = False`` says that it keeps a state beyond its seed and what it was told, and
``learns_from_others = True`` that it can be told evaluations that it did not ask for.

A package announces its optimisers by entry points, see
:mod:`mcu_nas_moo.common.user_parts`.
"""

from __future__ import annotations

import copy
import inspect
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import describe, find, is_users
from mcu_nas_moo.optimisers.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.contracts.optimiser import Factory, Optimiser, Setting

#: Entry-point group of packages that bring optimisers, and how messages call one.
GROUP, WHAT = "optimisers", "algorithm"
KINDS = (
    "a pymoo Algorithm, an Optuna sampler, or an object with ask() and tell(X, F, G) "
    "(each as a class, a function that makes one, or an object)"
)


def is_own(name: str) -> bool:
    """Whether a user brings the algorithm, under ``module:name`` or an entry point."""
    return is_users(name, GROUP)


@cache
def user_entry(name: str) -> Entry:
    """What the register knows of an optimiser that a user brings; imports its module.

    Raises:
        InputError: if the module cannot be imported, has no such name, or it is of no kind that
            is understood.
    """
    found = find(name, GROUP, WHAT)
    check_kind(found, name)
    ceiling = getattr(found, "ceiling", None)
    return Entry(
        describe(name, GROUP),
        lambda: _factory(found, name),
        (),
        ("numpy", "optuna", "pymoo"),
        replayable=getattr(found, "replayable", True) is True,
        any_time=getattr(found, "any_time", False) is True,
        learns_from_others=getattr(found, "learns_from_others", False) is True,
        ceiling=ceiling if isinstance(ceiling, int) else None,
    )


def check_kind(found: Any, name: str) -> None:
    """Make sure that an optimiser can come of ``found``.

    A function may return anything; that is looked at when it is called.

    Raises:
        InputError: if it is of no kind that is understood.
    """
    if _is_optimiser(found) or (callable(found) and not inspect.isclass(found)):
        return
    raise InputError(f"algorithm {name!r} is {_kind_of(found)}; it must be {KINDS}")


def _factory(found: Any, name: str) -> Factory:
    # What wraps the frameworks that the user's module imported; imports are not a run's time.
    if "pymoo.core.algorithm" in sys.modules:
        import_module("mcu_nas_moo.optimisers.wrapped.pymoo_optimisers")
    if "optuna.samplers" in sys.modules:
        import_module("mcu_nas_moo.optimisers.wrapped.optuna_study")
    return lambda setting: build(found, setting, name)


def build(found: Any, setting: Setting, name: str) -> Optimiser:
    """The optimiser of one run.

    Raises:
        InputError: if a function returns something that is of no kind that is understood.
    """
    if inspect.isclass(found) or not _is_optimiser(found):
        made = _call(found, setting, name)
        if inspect.isclass(made) or not _is_optimiser(made):
            raise InputError(f"{name} returned {_kind_of(made)}; it must return {KINDS}")
    else:
        made = copy.deepcopy(found)
        if _is_sampler(made):
            _reseed(made, setting.seed)
    if _is_algorithm(made):
        return _pymoo(made, setting)
    if _is_sampler(made):
        from mcu_nas_moo.optimisers.wrapped.optuna_study import OptunaStudy

        return OptunaStudy(made, setting)
    optimiser: Optimiser = made
    return optimiser


def _pymoo(algorithm: Any, setting: Setting) -> Optimiser:
    from mcu_nas_moo.optimisers.wrapped.pymoo_optimisers import PymooOptimiser, blank_problem

    task = setting.task
    return PymooOptimiser(
        algorithm,
        blank_problem(task, task.n_obj, task.n_con),
        task,
        setting.seed,
        evaluations=setting.budget,
    )


def _call(made_by: Callable[..., Any], setting: Setting, name: str) -> Any:
    """Call a class or function with what its parameters ask for.

    Raises:
        InputError: if it needs more than that.
    """
    empty = inspect.Parameter.empty
    named = {
        key: parameter
        for key, parameter in inspect.signature(made_by).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    given: dict[str, Any] = {"seed": setting.seed, "setting": setting}
    if _is_algorithm(made_by):
        from mcu_nas_moo.optimisers.wrapped.pymoo_optimisers import das_dennis, population_size
        from mcu_nas_moo.problem.adapters.pymoo_operators import integer_operators

        given |= integer_operators(setting.task.space.canonical)
        if "ref_dirs" in named:
            given["ref_dirs"] = das_dennis(setting.task.n_obj, population_size(setting.budget))
    of_library = made_by.__module__.startswith(("pymoo.", "optuna."))
    arguments = {key: value for key, value in given.items() if key in named}
    if "sampling" in arguments and of_library:
        # pymoo's classes pass this on unseen.
        arguments["eliminate_duplicates"] = given["eliminate_duplicates"]
    open_ones = [
        key for key, parameter in named.items() if parameter.default is empty and key not in given
    ]
    if "setting" not in arguments and open_ones and not of_library:
        arguments[open_ones.pop(0)] = setting
    if open_ones:
        raise InputError(
            f"{name} needs arguments that nobody knows: {', '.join(open_ones)}; it may take the "
            "run's setting and a seed; give the others in a function that returns the optimiser"
        )
    try:
        return made_by(**arguments)
    except TypeError as error:  # some of pymoo's set it themselves
        if "multiple values for keyword argument 'eliminate_duplicates'" not in str(error):
            raise
        del arguments["eliminate_duplicates"]
        return made_by(**arguments)


def _is_optimiser(found: Any) -> bool:
    """Whether it is an optimiser of some kind, or a class of such."""
    methods = callable(getattr(found, "ask", None)) and callable(getattr(found, "tell", None))
    return methods or _is_algorithm(found) or _is_sampler(found)


def _is_algorithm(found: Any) -> bool:
    return _belongs(found, "pymoo.core.algorithm", "Algorithm")


def _is_sampler(found: Any) -> bool:
    return _belongs(found, "optuna.samplers", "BaseSampler")


def _belongs(found: Any, module: str, base: str) -> bool:
    """Whether ``found`` is of a class, or is one; where nobody imported the module, it is not."""
    if module not in sys.modules:
        return False
    kind = found if inspect.isclass(found) else type(found)
    return issubclass(kind, getattr(sys.modules[module], base))


def _reseed(sampler: Any, seed: int) -> None:
    """Seed the generators that a sampler of Optuna keeps, also those of samplers within it."""
    for value in list(vars(sampler).values()):
        generator = getattr(value, "rng", value)
        if isinstance(generator, np.random.RandomState):
            generator.seed(seed)
        elif _is_sampler(value):
            _reseed(value, seed)


def _kind_of(found: Any) -> str:
    kind = "the class" if inspect.isclass(found) else "an object of"
    return f"{kind} {(found if inspect.isclass(found) else type(found)).__name__}"
