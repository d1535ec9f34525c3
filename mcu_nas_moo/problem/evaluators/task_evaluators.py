"""Which evaluators a task asks: those that were given, and the usual ones for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import UserCode, UserFile, is_users, made, user_fingerprint
from mcu_nas_moo.contracts.evaluator import COSTS as COST_ORDER
from mcu_nas_moo.contracts.evaluator import OfDevice
from mcu_nas_moo.contracts.metrics import metric_table
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.problem.evaluators.accuracy_predictor import SHIPPED_ACCURACY, AccuracyPredictor
from mcu_nas_moo.problem.evaluators.analytic_costs import COSTS, MACS, AnalyticCosts
from mcu_nas_moo.problem.evaluators.checked_evaluator import CheckedEvaluator
from mcu_nas_moo.problem.evaluators.cost_choice import cost_evaluator
from mcu_nas_moo.problem.evaluators.cost_predictor import CostPredictor
from mcu_nas_moo.spaces.abilities import HasNetworks
from mcu_nas_moo.spaces.register import for_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.contracts.evaluator import NetworkEvaluator
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.problem.evaluators.checked_evaluator import Source
    from mcu_nas_moo.spaces import SearchSpace

#: Entry-point group of packages that bring evaluators.
GROUP = "evaluators"
#: Endings of files that are tables.
TABLES = (".csv", ".parquet")


class TaskEvaluators(NamedTuple):
    """The evaluators of a task: all of them, and the usual ones among them."""

    all: tuple[CheckedEvaluator, ...]
    accuracy: CheckedEvaluator | None
    analytic: CheckedEvaluator | None
    learned: CheckedEvaluator | None

    @property
    def own(self) -> list[CheckedEvaluator]:
        """Those that are none of the usual ones."""
        return [one for one in self.all if one not in self[1:]]

    @property
    def quick(self) -> TaskEvaluators:
        """The same without those that take seconds for a network, or longer."""
        return self._replace(all=tuple(one for one in self.all if one.cost == COST_ORDER[0]))

    @property
    def told(self) -> set[str]:
        """Names of the metrics that are told; of error and accuracy, one follows from the other."""
        told = {name for one in self.all for name in one.metrics}
        return told | ({"accuracy", "error"} if told & {"accuracy", "error"} else set())

    @property
    def accuracy_of(self) -> str:
        """What accuracy and error are measured on, and how they are known, in words."""
        known = (one for one in self.all if {"accuracy", "error"} & set(one.metrics))
        return next((one.accuracy_of for one in known), SHIPPED_ACCURACY)

    @property
    def table(self) -> dict[str, Metric]:
        """All metrics that can be told of a network, by name."""
        metrics = [metric for one in self.all for metric in one.metrics.values()]
        return metric_table(metrics, self.accuracy_of)

    @property
    def predictor(self) -> AccuracyPredictor | None:
        """The accuracy predictor; None if something else tells the accuracy, or nothing."""
        found = self.accuracy and self.accuracy.evaluator
        return found if isinstance(found, AccuracyPredictor) else None

    @property
    def cost_model(self) -> CostModel | None:
        """The analytic cost model, if it is asked for a cost."""
        if self.analytic is None or not set(COSTS) & set(self.analytic.metrics):
            return None
        assert isinstance(self.analytic.evaluator, AnalyticCosts)
        return self.analytic.evaluator.model

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the figures, by part: equal facts, equal figures."""
        facts: dict[str, Any] = {}
        if self.accuracy is not None:
            facts["predictor"] = self.accuracy.fingerprint
        if self.cost_model is not None:
            facts["costs"] = self.cost_model.fingerprint
        if self.learned is not None:
            facts["learned"] = [self.learned.fingerprint, *self.learned.metrics]
        if self.own:
            facts["evaluators"] = [[one.fingerprint, *one.metrics] for one in self.own]
        return facts

    def check_told(self, metric: Metric, wish: str, space: SearchSpace) -> None:
        """Make sure that a metric is told.

        Args:
            metric: that is needed.
            wish: what for, such as ``objective error``.
            space: of the task, for the message.

        Raises:
            InputError: if it is not; the message has the remedy.
        """
        if metric.name in self.told:
            return
        if metric.name in ("accuracy", "error"):
            remedy = (
                "the shipped predictor does not know this space; give an accuracy: the file of a "
                "predictor (--accuracy), a supernet (--supernet) or an evaluator (--evaluator)"
            )
        elif isinstance(space, HasNetworks):
            remedy = "give a profile, or an evaluator that tells it (--evaluator)"
        else:
            remedy = "its networks are unknown; give an evaluator that tells it (--evaluator)"
        raise InputError(f"{wish}: nothing tells {metric.name} of {space.name}; {remedy}")


def chosen_evaluators(
    space: SearchSpace,
    profile: Profile | None,
    accuracy: Any,
    costs: Any,
    evaluators: Sequence[str | Path | NetworkEvaluator],
) -> tuple[SearchSpace, TaskEvaluators]:
    """The space and the evaluators for the arguments of a task.

    Returns:
        the space, for as many classes as the accuracy is of; what is asked about its networks.

    Raises:
        InputError: if one cannot be found or used, two tell one metric, or the space is for another
            number of classes.
    """
    if not isinstance(evaluators, list | tuple):
        raise InputError(f"evaluators must be a list, got {type(evaluators).__name__}")
    own = [evaluator_of(given, space, profile) for given in evaluators]
    if isinstance(accuracy, str | Path):
        accuracy = AccuracyPredictor.load(Path(accuracy))
    if accuracy is not None and not isinstance(accuracy, AccuracyPredictor):
        own.append(evaluator_of(accuracy, space, profile))
        accuracy = None
    if hasattr(costs, "evaluate") and not isinstance(costs, CostPredictor):
        own.append(evaluator_of(costs, space, profile))
        costs = "analytic"
    told: dict[str, str] = {}
    for asked in own:
        _claim(asked, told)
    if accuracy is None and "accuracy" not in told:
        shipped = AccuracyPredictor.load()
        accuracy = shipped if shipped.knows(space) else None
    answers = None if accuracy is None else CheckedEvaluator(accuracy, accuracy.file)
    if answers is not None:
        _claim(answers, told)
    space = _for_classes_of([answers, *own], space)
    if profile is None and costs != "analytic":
        raise InputError("costs are those of a device; give a profile as well")
    learned = None if profile is None else cost_evaluator(costs, space, profile)
    if learned is not None:
        _claim(learned, told)
    analytic = None
    if profile is not None and isinstance(space, HasNetworks):
        rest = tuple(metric for metric in (*COSTS, MACS) if metric not in told)
        if rest:
            analytic = CheckedEvaluator(AnalyticCosts(CostModel.of(profile), rest))
    usual = (answers, analytic, learned)
    return space, TaskEvaluators((*(one for one in usual if one is not None), *own), *usual)


def _for_classes_of(
    evaluators: Sequence[CheckedEvaluator | None], space: SearchSpace
) -> SearchSpace:
    """The space, for as many classes as the data of its accuracy have."""
    for asked in evaluators:
        if asked is not None and asked.classes:
            space = for_classes(space, asked.classes, f"the accuracy of {asked.accuracy_of}")
    return space


def _claim(asked: CheckedEvaluator, told: dict[str, str]) -> None:
    """Note whose the metrics of an evaluator are; accuracy and error count as one metric."""
    for metric in {"accuracy" if name == "error" else name for name in asked.metrics}:
        if metric in told:
            name = "accuracy or error" if metric == "accuracy" else metric
            raise InputError(
                f"{name} is told by two evaluators, {told[metric]} and {asked.name}; leave one "
                "out, or let one give its metric another name"
            )
        told[metric] = asked.name


def evaluator_of(
    given: str | Path | NetworkEvaluator, space: SearchSpace, profile: Profile | None
) -> CheckedEvaluator:
    """The evaluator that is given as an object, as ``module:Name``, or as the file of a table.

    Raises:
        InputError: if it cannot be found, or is no evaluator.
    """
    if isinstance(given, str | Path) and Path(given).suffix in TABLES:
        from mcu_nas_moo.problem.evaluators.table import TableEvaluator  # with pandas

        path = Path(given)
        return CheckedEvaluator(TableEvaluator(path, space), UserFile.of(path))
    if isinstance(given, str):
        if not is_users(given, GROUP):
            raise InputError(
                f"unknown evaluator {given!r}; write module:Name, or the name of a table that ends "
                f"in {' or '.join(TABLES)}"
            )
        code = UserCode(name=given, sha256=user_fingerprint(given, GROUP, "evaluator"))
        return checked(_of_device(made(given, GROUP, "evaluator"), profile, given), code)
    evaluator = _of_device(given, profile, type(given).__name__)
    return checked(evaluator, getattr(given, "source", None))


def _of_device(evaluator: Any, profile: Profile | None, name: str) -> Any:
    """An evaluator for the task's device, if it is one of devices."""
    if isinstance(evaluator, type) or not isinstance(evaluator, OfDevice):
        return evaluator
    if profile is None:
        raise InputError(f"evaluator {name} tells figures of a device; give a profile as well")
    return evaluator.for_profile(profile)


def checked(evaluator: Any, source: Source | None) -> CheckedEvaluator:
    """Ask it anew each time, or keep what it said where that is costly or never the same."""
    found = CheckedEvaluator(evaluator, source)
    if found.deterministic and found.cost == "microseconds":
        return found
    from mcu_nas_moo.problem.evaluators.cached_evaluator import CachedEvaluator  # with sqlite3

    return CachedEvaluator(found)
