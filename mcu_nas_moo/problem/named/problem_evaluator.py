"""Any problem of the small contract as what a task consists of: a space, an evaluator, limits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.code_fingerprint import class_fingerprint
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import failure
from mcu_nas_moo.contracts.evaluator import REASON
from mcu_nas_moo.contracts.metrics import METRICS, OBJECTIVES, Metric
from mcu_nas_moo.spaces.genes import Gene, SearchSpace, Subnet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.evaluator import Cost
    from mcu_nas_moo.contracts.problem import DiscreteProblem

#: Most options of a gene; files of runs hold them in two bytes.
MOST_OPTIONS = 2**15 - 1
#: Why a genotype could not be evaluated whose problem does not tell.
NOT_TOLD = "the problem does not tell"
_CONTRACT = "see mcu_nas_moo.contracts.problem.DiscreteProblem"


class ProblemSpace(SearchSpace):
    """What a problem lets choose, with what it says of a choice.

    Args:
        name, genes: see :class:`SearchSpace`.
        problem: may have a method ``decode``.
    """

    def __init__(self, name: str, genes: Sequence[Gene], problem: DiscreteProblem) -> None:
        super().__init__(name, genes)
        self._problem = problem

    @property
    def facts(self) -> dict[str, Any]:
        return SearchSpace(self.name, self.genes).facts

    def decode(self, X: Any) -> list[Subnet]:
        """The values of the genes, and what the problem says beside them."""
        plain = super().decode(X)
        if not hasattr(self._problem, "decode"):
            return plain
        said = _called(self._problem, self.name, "decode", self.check(X).copy())
        if not hasattr(said, "__len__") or len(said) != len(plain):
            raise InputError(
                f"problem {self.name}: decode(X) of {len(plain)} genotypes must return as many "
                f"texts or mappings, got {type(said).__name__}"
            )
        return [
            Subnet(self.name, {**_readable(more), **subnet.values})
            for more, subnet in zip(said, plain, strict=True)
        ]

    def encode(self, subnet: Subnet | Mapping[str, Any]) -> Genotypes:
        """Genotype ``(1, n_genes)`` of the values of the genes; what else is said is left out."""
        values = subnet.to_dict() if isinstance(subnet, Subnet) else subnet
        known = {"space", *(gene.name for gene in self.genes)}
        return super().encode({name: values[name] for name in values if name in known})


def _readable(said: Any) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        return {"solution": str(said)}
    plain = (bool, int, float, str)
    return {str(name): v if isinstance(v, plain) else str(v) for name, v in said.items()}


class ProblemEvaluator:
    """A problem with all that the contract lets it leave out, as an evaluator of its space.

    Args:
        problem: any object of ``contracts.problem.DiscreteProblem``.
        name: what it was asked for by; its own ``name`` goes before.

    Attributes:
        metrics: its objectives, then its constraints, whose limit is 0.
        objectives: names of the objectives.
        limits: of the constraints, by metric.
        deterministic, cost: see the contract of evaluators.

    Raises:
        InputError: if the object is none of the contract.
    """

    def __init__(self, problem: DiscreteProblem, name: str | None = None) -> None:
        self.problem = problem
        asked_for = (name or type(problem).__name__).rpartition(":")[2]
        self._called = str(getattr(problem, "name", None) or asked_for)
        #: Messages about evaluators say "evaluator" and this.
        self.name = f"of problem {self._called}"
        self.deterministic: bool = getattr(problem, "deterministic", True)
        self.cost: Cost = getattr(problem, "cost", "microseconds")
        if isinstance(problem, type) or not callable(getattr(problem, "evaluate", None)):
            raise InputError(f"problem {self._called} lacks the method evaluate(X); {_CONTRACT}")
        goals = [self._objective(one) for one in self._names("objectives", least=2)]
        bounds = [self._constraint(one) for one in self._names("constraints", least=0)]
        self.metrics = (*goals, *bounds)
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise InputError(f"problem {self._called} names a column twice: {', '.join(names)}")
        self._goals = tuple(goals)
        self.objectives = tuple(metric.objective or metric.name for metric in goals)
        self.limits = {metric.name: 0.0 for metric in bounds}
        self.space = ProblemSpace(self._called, self._genes(), problem)

    def _names(self, field: str, least: int) -> list[Any]:
        given = getattr(self.problem, field, ())
        if isinstance(given, str) or not hasattr(given, "__iter__") or len(list(given)) < least:
            few = f"of at least {least} names" if least else "of names"
            raise InputError(
                f"problem {self._called}: {field} must be a list {few}, got {given!r}; {_CONTRACT}"
            )
        return list(given)

    def _objective(self, given: Any) -> Metric:
        if isinstance(given, Metric):
            return given
        metric = METRICS.get(given) or OBJECTIVES.get(given) or self._metric(given)
        if metric.name in METRICS and metric.objective is None:
            raise InputError(
                f"problem {self._called}: objective {given} cannot be minimised; give what is to "
                "be small, such as error, or another name"
            )
        return metric

    def _constraint(self, given: Any) -> Metric:
        return given if isinstance(given, Metric) else self._metric(given)

    def _metric(self, name: Any) -> Metric:
        try:
            return Metric(str(name))
        except InputError as error:
            raise InputError(f"problem {self._called}: {error}") from None

    def _genes(self) -> list[Gene]:
        values = getattr(self.problem, "genes", None)
        given = getattr(self.problem, "n_choices", None)
        if given is None and values is not None:
            given = [len(options) for options in values.values()]
        try:
            n_choices = np.asarray(given)
        except ValueError:  # lists of different lengths
            n_choices = np.zeros(0)
        whole = np.issubdtype(n_choices.dtype, np.integer) and n_choices.ndim == 1
        fitting = whole and len(n_choices) and n_choices.min() > 0
        if not fitting or n_choices.max() > MOST_OPTIONS:
            raise InputError(
                f"problem {self._called}: n_choices must be whole numbers from 1 to "
                f"{MOST_OPTIONS:,}, one for each gene, got {given!r}; {_CONTRACT}"
            )
        if values is None:
            return [Gene(f"x{g}", tuple(range(n))) for g, n in enumerate(n_choices.tolist(), 1)]
        genes = [Gene(str(name), tuple(options)) for name, options in values.items()]
        if [len(gene.options) for gene in genes] != n_choices.tolist():
            raise InputError(
                f"problem {self._called}: genes have other numbers of options than n_choices says; "
                "leave n_choices out"
            )
        return genes

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what decides the figures, as far as the problem or its source tells."""
        own = getattr(self.problem, "fingerprint", None) or class_fingerprint(self.problem)
        return hashlib.sha256(json.dumps([self._called, str(own)]).encode()).hexdigest()

    @cached_property
    def reference_front(self) -> FloatArray | None:
        """Objectives ``(n, n_obj)`` of the true front; None if the problem does not tell.

        Raises:
            InputError: if what it tells is no such table.
        """
        given = getattr(self.problem, "reference_front", None)
        if callable(given):
            given = given()
        if given is None:
            return None
        front = _numbers(given)
        width = len(self.objectives)
        if front is None or front.ndim != 2 or front.shape[1] != width or not len(front):
            shape = "no table of numbers" if front is None else f"of shape {front.shape}"
            raise InputError(
                f"problem {self._called}: reference_front is {shape}; it must be (n, {width}), a "
                "row of objectives for each point"
            )
        if not np.isfinite(front).all():
            raise InputError(f"problem {self._called}: reference_front holds NaN or infinity")
        return front

    def evaluate(self, space: Any, X: Genotypes) -> Mapping[str, Any]:
        """The columns of ``F`` and ``G`` by metric, and why rows could not be evaluated.

        Raises:
            InputError: if the problem fails as a whole, or its arrays have another shape.
        """
        given = _called(self.problem, self._called, "evaluate", X)
        F, G, reasons = [*(given if isinstance(given, tuple) else (given,)), None, None][:3]
        n_obj = len(self.objectives)
        columns = self._columns("F", F, len(X), n_obj)
        more = self._columns("G", G, len(X), len(self.limits))
        columns = np.concatenate([columns, more], axis=1)
        for column, metric in enumerate(self._goals):
            columns[:, column] = metric.minimised(columns[:, column])
        failed = np.asarray(np.isnan(columns).any(axis=1))
        texts = [""] * len(X) if reasons is None else [str(text or "") for text in reasons]
        if len(texts) != len(X):
            raise InputError(
                f"problem {self._called} gave {len(texts)} reasons for {len(X)} genotypes; give a "
                "text for each, empty for those that could be evaluated"
            )
        told = [
            (text or NOT_TOLD) if gone else "" for text, gone in zip(texts, failed, strict=True)
        ]
        figures: dict[str, Any] = {
            metric.name: columns[:, column] for column, metric in enumerate(self.metrics)
        }
        return figures | {REASON: told}

    def _columns(self, name: str, given: Any, n: int, width: int) -> FloatArray:
        """``F`` or ``G`` as new float64 ``(n, width)``."""
        if given is None and width == 0:
            return np.zeros((n, 0))
        values = _numbers(given)
        if values is not None and values.shape == (n,) and width == 1:
            values = values[:, None]
        if values is None or values.shape != (n, width):
            what = "no array of numbers" if values is None else f"of shape {values.shape}"
            named = self.objectives if name == "F" else tuple(self.limits)
            raise InputError(
                f"problem {self._called}: evaluate(X) of {n} genotypes returned {name} {what}; it "
                f"must be ({n}, {width}), a column for each of {', '.join(named) or 'no names'}"
            )
        if np.isinf(values).any():
            raise InputError(
                f"problem {self._called}: {name} is infinite; give rows of NaN where a genotype "
                "could not be evaluated"
            )
        return values


def _called(problem: DiscreteProblem, name: str, method: str, X: Genotypes) -> Any:
    """What a method of the user's returns.

    Raises:
        InputError: if it fails, with the line of the user's where it did.
    """
    try:
        return getattr(problem, method)(X)
    except InputError:
        raise
    except Exception as error:  # whatever a user's problem raises
        said = failure(error, type(problem).__module__)
        raise InputError(f"problem {name}: {method} failed: {said}") from error


def _numbers(given: Any) -> FloatArray | None:
    """An array of its own; None for what holds no numbers."""
    try:
        return None if given is None else np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        return None
