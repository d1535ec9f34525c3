"""The register of problems: shipped ones, and what users and packages bring."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import UserCode, announced, is_users, made, user_fingerprint
from mcu_nas_moo.problem.named.bit_strings import Cocz, Lotz, Traps
from mcu_nas_moo.problem.named.gear_train import GearTrain
from mcu_nas_moo.problem.named.landscapes import MnkLandscape, Mubqp
from mcu_nas_moo.problem.named.linear import Assignment, Knapsack
from mcu_nas_moo.problem.named.reliability import Reliability
from mcu_nas_moo.problem.named.scaling import ToyScaling

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.contracts.problem import DiscreteProblem

#: Entry-point group of packages that bring problems.
GROUP = "problems"


class Shipped(NamedTuple):
    """A problem of the package: what makes it, and a line about it."""

    make: Callable[[], DiscreteProblem]
    description: str


#: Those of the package, by name.
PROBLEMS: dict[str, Shipped] = {
    "toy-scaling": Shipped(ToyScaling, "a toy of network scaling, 10 stages of 6 sizes"),
    "lotz": Shipped(Lotz, "leading ones, trailing zeros, 30 bits"),
    "cocz": Shipped(Cocz, "count ones, count zeros, 60 bits"),
    "traps": Shipped(Traps, "deceptive traps against their inverse, 10 blocks of 5 bits"),
    "mnk-2obj": Shipped(MnkLandscape, "MNK landscape, 2 objectives, 16 bits, k = 4"),
    "mnk-3obj": Shipped(partial(MnkLandscape, m=3), "MNK landscape, 3 objectives, 16 bits, k = 4"),
    "mubqp": Shipped(Mubqp, "binary quadratic programming, 2 objectives, 50 bits"),
    "knapsack": Shipped(Knapsack, "two knapsacks, 100 items, limited weights"),
    "assignment": Shipped(Assignment, "generalised assignment, 30 jobs to 5 agents"),
    "gear-train": Shipped(GearTrain, "four wheels of 12 to 60 teeth for a transmission ratio"),
    "reliability": Shipped(Reliability, "redundant components of five stages, three limits"),
}


class Named(NamedTuple):
    """What a name stands for: a problem or a task, and how files refer to it."""

    found: Any
    source: str | UserCode


def list_problems() -> list[str]:
    """Names of the problems that the package ships."""
    return list(PROBLEMS)


def check_problem(name: str) -> str:
    """The same name, if it could be one of a problem; imports nothing of the user's.

    Raises:
        InputError: for an unknown name; the message lists those there are.
    """
    if name in PROBLEMS or is_users(name, GROUP):
        return name
    raise unknown_name("problem", name, [*PROBLEMS, *announced(GROUP), "or your own module:Name"])


def find_problem(source: str | UserCode) -> Named:
    """What is called so: one of the package, announced by another, or ``module:Name``.

    Args:
        source: its name, or how a file refers to it.

    Raises:
        InputError: if there is none, its module cannot be imported, or it is not the code that the
            file was about.
    """
    name = source if isinstance(source, str) else source.name
    if check_problem(name) in PROBLEMS:
        return Named(PROBLEMS[name].make(), name)
    code = UserCode(name=name, sha256=user_fingerprint(name, GROUP, "problem"))
    if isinstance(source, UserCode) and code != source:
        raise InputError(
            f"the code of problem {name!r} changed since then; leave it out, or make the runs again"
        )
    return Named(made(name, GROUP, "problem"), code)
