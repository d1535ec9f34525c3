"""Asking evaluators, and taking nothing from them that they did not promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numpy as np

from mcu_nas_moo.common.code_fingerprint import class_fingerprint
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import UserCode, UserFile, failure
from mcu_nas_moo.contracts.evaluator import COSTS, REASON
from mcu_nas_moo.contracts.metrics import METRICS, Metric

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.evaluator import Cost, NetworkEvaluator
    from mcu_nas_moo.problem.evaluators.trained_accuracy import AccuracySource
    from mcu_nas_moo.spaces import SearchSpace

    Source: TypeAlias = UserCode | UserFile | AccuracySource

Told = TypeVar("Told", str, bool, int)
#: The standard deviation of a measured metric stands beside it, under its name and this.
SPREAD = "_std"


@dataclass(frozen=True, eq=False)
class Answer:
    """What an evaluator says of N networks.

    Attributes:
        values: by metric, float64 ``(N,)``, finite or NaN.
        reasons: of the rows that could not be evaluated, which are NaN: why.
    """

    values: dict[str, FloatArray]
    reasons: dict[int, str] = field(default_factory=dict)


class CheckedEvaluator:
    """An evaluator with all that the contract lets it leave out, whose answers are checked.

    Args:
        evaluator: any object of the contract.
        source: what it was named by on the command line, if it was.

    Attributes:
        metrics: what it tells, by name.
        name, fingerprint, deterministic, cost, thread_safe, accuracy_of, classes: see the contract.

    Raises:
        InputError: if the object is none of the contract.
    """

    def __init__(self, evaluator: NetworkEvaluator, source: Source | None = None) -> None:
        self.evaluator = evaluator
        self.source = source
        self.name = type(evaluator).__name__
        if isinstance(evaluator, type):
            raise InputError(
                f"evaluator {evaluator.__name__} is a class; give an object, "
                f"{evaluator.__name__}(...)"
            )
        if not callable(getattr(evaluator, "evaluate", None)):
            remedy = "; for a function, give FunctionEvaluator(function, metrics)"
            raise InputError(
                f"evaluator {getattr(evaluator, '__name__', self.name)} lacks the method "
                f"evaluate(space, X){remedy if callable(evaluator) else ''}"
            )
        self.name = self._told("name", self.name)
        self.deterministic = self._told("deterministic", True)
        self.cost = cast("Cost", self._told("cost", str(COSTS[0])))
        if self.cost not in COSTS:
            raise InputError(
                f"evaluator {self.name}: cost must be one of {', '.join(COSTS)}, got {self.cost!r}"
            )
        self.accuracy_of = self._told("accuracy_of", f"data of evaluator {self.name}")
        self.thread_safe = self._told("thread_safe", False)
        self.classes = self._told("classes", 0)
        given = getattr(evaluator, "metrics", None)
        if isinstance(given, str) or not given:
            raise InputError(
                f"evaluator {self.name}: metrics must be a list of names or Metrics, got {given!r}"
            )
        metrics = [self._metric(metric) for metric in given]
        self.metrics = {metric.name: metric for metric in metrics}
        self._spreads = [n + SPREAD for n in self.metrics if n + SPREAD not in self.metrics]
        if len(self.metrics) < len(metrics):
            raise InputError(f"evaluator {self.name} names a metric twice: {list(self.metrics)}")
        self.fingerprint = self._told("fingerprint", "") or class_fingerprint(evaluator)
        self._calls = 0
        self._first: tuple[Genotypes, dict[str, FloatArray]] | None = None

    def _told(self, attribute: str, default: Told) -> Told:
        """What the evaluator says of itself, of the same type as the default."""
        told: Any = getattr(self.evaluator, attribute, default)
        if not isinstance(told, type(default)):
            raise InputError(
                f"evaluator {self.name}: {attribute} must be a {type(default).__name__}, "
                f"got {told!r}"
            )
        return told

    def _metric(self, metric: Any) -> Metric:
        if isinstance(metric, Metric):
            return metric
        if metric not in METRICS:
            error = unknown_name("metric", str(metric), METRICS)
            raise InputError(f"evaluator {self.name}: {error}; for one of your own give a Metric")
        return METRICS[metric]

    def evaluate(self, space: SearchSpace, X: Genotypes) -> Answer:
        """The figures of the genotypes ``X`` ``(N, n_genes)``.

        Raises:
            InputError: if the evaluator fails as a whole, or its answer is not what the contract
                wants: names, shapes, a NaN without a reason, infinity, an error or accuracy that
                is no share, or other figures than before from one that says to be deterministic.
        """
        answer = self._evaluate(space, X)
        self._refuse_no_shares(answer)
        if self.deterministic and self.cost == "microseconds" and len(X):
            self._compare(space, X, answer)
        return answer

    def _evaluate(self, space: SearchSpace, X: Genotypes) -> Answer:
        try:
            given = self.evaluator.evaluate(space, X if self.thread_safe else X.copy())
        except InputError:
            raise
        except Exception as error:  # whatever a user's evaluator raises
            code = getattr(self.evaluator, "function", type(self.evaluator))
            said = failure(error, getattr(code, "__module__", None))
            raise InputError(f"evaluator {self.name} failed: {said}") from error
        if not hasattr(given, "keys"):
            raise InputError(
                f"evaluator {self.name} answered with {type(given).__name__}; it must be a "
                f"mapping of {', '.join(self.metrics)} to {len(X)} numbers each"
            )
        lacking = [name for name in self.metrics if name not in given]
        if lacking:
            raise InputError(
                f"evaluator {self.name} promised {lacking[0]} and did not tell it; it told "
                f"{', '.join(given) or 'nothing'}"
            )
        values = {name: self._column(name, given[name], len(X)) for name in self.metrics}
        for spread in self._spreads:
            if spread in given:
                values[spread] = self._column(spread, given[spread], len(X))
        failed = np.zeros(len(X), dtype=np.bool_)
        for name in self.metrics:
            failed |= np.isnan(values[name])
        if REASON not in given and not failed.any():
            return Answer(values)
        texts = self._texts(given[REASON] if REASON in given else [""] * len(X), len(X))
        for row in np.flatnonzero(failed):
            if not texts[row]:
                raise InputError(
                    f"evaluator {self.name} gave NaN for {space.decode(X[row : row + 1])[0]} "
                    f'without a reason; say why in "{REASON}", a text for each network'
                )
        reasons = {row: text for row, text in enumerate(texts) if text}
        rows = np.isin(np.arange(len(X)), [*reasons])
        return Answer({n: np.where(rows, np.nan, v) for n, v in values.items()}, reasons)

    def _texts(self, given: Any, n: int) -> list[str]:
        """The reasons of N networks, each on one line."""
        listed = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
        texts = [" ".join(str(text or "").split()) for text in given] if listed else []
        if not listed or len(texts) != n:
            raise InputError(
                f'evaluator {self.name}: "{REASON}" holds {len(texts) if listed else repr(given)}; '
                f"it must be a list of {n} texts, one for each network"
            )
        return texts

    def _column(self, name: str, given: Any, n: int) -> FloatArray:
        try:
            values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"evaluator {self.name}: {name} holds what is no number") from None
        if values.shape != (n,):
            raise InputError(
                f"evaluator {self.name}: {name} has shape {values.shape}; it must be ({n},), a "
                "number for each network"
            )
        if np.isinf(values).any():
            raise InputError(
                f"evaluator {self.name}: {name} is infinite; give NaN and a reason where a network "
                "could not be evaluated"
            )
        return values

    def _refuse_no_shares(self, answer: Answer) -> None:
        for name, metric in self.metrics.items():
            if metric.unit != "%" or metric != METRICS.get(name):
                continue
            values = answer.values[name]
            beyond = values[(values < 0.0) | (values > 1.0)]
            if len(beyond):
                raise InputError(
                    f"evaluator {self.name}: {name} {beyond[0]:g} is no share from 0 to 1; give "
                    "0.3 for 30 %, and what is no share a name of its own"
                )

    def _compare(self, space: SearchSpace, X: Genotypes, answer: Answer) -> None:
        """Ask again for the first network, at calls 1, 2, 4, 8 and so on."""
        self._calls += 1
        if self._calls & (self._calls - 1):
            return
        if self._first is None:
            self._first = X[:1].copy(), {name: v[:1].copy() for name, v in answer.values.items()}
        x, before = self._first
        now = self._evaluate(space, x).values
        for name, value in before.items():
            if not np.array_equal(now[name], value, equal_nan=True):
                raise InputError(
                    f"evaluator {self.name} says to be deterministic, but told {name} "
                    f"{value[0]!s} and then {now[name][0]!s} of one network; round figures that "
                    "depend on the batch, or set deterministic = False"
                )
