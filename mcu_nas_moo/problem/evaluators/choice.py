"""Which evaluators a task asks: those that were given, and the usual ones for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import UserCode, UserFile, is_users, made, user_fingerprint
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.evaluators.analytic_costs import COSTS, MACS, AnalyticCosts
from mcu_nas_moo.problem.evaluators.asking import Asked
from mcu_nas_moo.problem.evaluators.cost_choice import cost_evaluator
from mcu_nas_moo.problem.evaluators.cost_predictor import CostPredictor
from mcu_nas_moo.problem.evaluators.kept_values import Kept
from mcu_nas_moo.spaces.abilities import HasNetworks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.contracts.evaluator import NetworkEvaluator
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.problem.evaluators.asking import Source
    from mcu_nas_moo.spaces import SearchSpace

#: Entry-point group of packages that bring evaluators.
GROUP = "evaluators"
#: Endings of files that are tables.
TABLES = (".csv", ".parquet")


class Chosen(NamedTuple):
    """The evaluators of a task: all of them, and the usual ones among them."""

    all: tuple[Asked, ...]
    accuracy: Asked | None
    analytic: Asked | None
    learned: Asked | None

    @property
    def own(self) -> list[Asked]:
        """Those that are none of the usual ones."""
        return [one for one in self.all if one not in self[1:]]


def chosen_evaluators(
    space: SearchSpace,
    profile: Profile | None,
    accuracy: Any,
    costs: Any,
    evaluators: Sequence[str | Path | NetworkEvaluator],
) -> Chosen:
    """The evaluators for the arguments of a task.

    Raises:
        InputError: if one cannot be found or used, or two tell one metric.
    """
    if not isinstance(evaluators, list | tuple):
        raise InputError(f"evaluators must be a list, got {type(evaluators).__name__}")
    own = [evaluator_of(given, space) for given in evaluators]
    if isinstance(accuracy, str | Path):
        accuracy = AccuracyPredictor.load(Path(accuracy))
    if accuracy is not None and not isinstance(accuracy, AccuracyPredictor):
        own.append(evaluator_of(accuracy, space))
        accuracy = None
    if hasattr(costs, "evaluate") and not isinstance(costs, CostPredictor):
        own.append(evaluator_of(costs, space))
        costs = "analytic"
    told: dict[str, str] = {}
    for asked in own:
        _claim(asked, told)
    if profile is None and costs != "analytic":
        raise InputError("costs are those of a device; give a profile as well")
    learned = None if profile is None else cost_evaluator(costs, space, profile)
    if learned is not None:
        _claim(learned, told)
    if accuracy is None and "accuracy" not in told:
        shipped = AccuracyPredictor.load()
        accuracy = shipped if shipped.knows(space) else None
    answers = None if accuracy is None else Asked(accuracy, accuracy.file)
    if answers is not None:
        _claim(answers, told)
    analytic = None
    if profile is not None and isinstance(space, HasNetworks):
        rest = tuple(metric for metric in (*COSTS, MACS) if metric not in told)
        if rest:
            analytic = Asked(AnalyticCosts(CostModel.of(profile), rest))
    usual = (answers, analytic, learned)
    return Chosen((*(one for one in usual if one is not None), *own), *usual)


def _claim(asked: Asked, told: dict[str, str]) -> None:
    """Note whose the metrics of an evaluator are; accuracy and error count as one metric."""
    for metric in {"accuracy" if name == "error" else name for name in asked.metrics}:
        if metric in told:
            name = "accuracy or error" if metric == "accuracy" else metric
            raise InputError(
                f"{name} is told by two evaluators, {told[metric]} and {asked.name}; leave one "
                "out, or let one give its metric another name"
            )
        told[metric] = asked.name


def evaluator_of(given: str | Path | NetworkEvaluator, space: SearchSpace) -> Asked:
    """The evaluator that is given as an object, as ``module:Name``, or as the file of a table.

    Raises:
        InputError: if it cannot be found, or is no evaluator.
    """
    if isinstance(given, str | Path) and Path(given).suffix in TABLES:
        from mcu_nas_moo.problem.evaluators.table import TableEvaluator  # with pandas

        path = Path(given)
        return Asked(TableEvaluator(path, space), UserFile.of(path))
    if isinstance(given, str):
        if not is_users(given, GROUP):
            raise InputError(
                f"unknown evaluator {given!r}; write module:Name, or the name of a table that ends "
                f"in {' or '.join(TABLES)}"
            )
        code = UserCode(name=given, sha256=user_fingerprint(given, GROUP, "evaluator"))
        return asked_or_kept(made(given, GROUP, "evaluator"), code)
    return asked_or_kept(given, getattr(given, "source", None))


def found_again(part: Source, folder: Path) -> str | Path | NetworkEvaluator:
    """What to give to a task for an evaluator that a file names, as seen from ``folder``.

    Raises:
        InputError: if a file is missing or another one.
    """
    if isinstance(part, UserCode):
        return part.name
    return part.find(folder) if isinstance(part, UserFile) else part.evaluator(folder)


def asked_or_kept(evaluator: Any, source: Source | None) -> Asked:
    """Ask it anew each time, or keep what it said where that is costly or never the same."""
    asked = Asked(evaluator, source)
    return asked if asked.deterministic and asked.cost == "microseconds" else Kept(asked)
