"""A function as an evaluator of networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.code_fingerprint import class_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.contracts.evaluator import Cost
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.spaces import SearchSpace


@dataclass(frozen=True, eq=False)
class FunctionEvaluator:
    """Asks a vectorised function.

    For example::

        Task(space, profile, evaluators=[FunctionEvaluator(lambda space, X: ..., ["accuracy"])])

    Args:
        function: of a space and genotypes ``(N, n_genes)``. Returns a mapping as of
            ``NetworkEvaluator.evaluate``, or the ``(N,)`` numbers of the only metric.
        metrics: what it tells: names of known metrics, or ``Metric`` objects of one's own.
        deterministic, cost: see ``NetworkEvaluator``.
    """

    function: Callable[[SearchSpace, Genotypes], Any]
    metrics: tuple[Metric | str, ...] | list[Metric | str]
    deterministic: bool = True
    cost: Cost = "microseconds"

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", "function")

    @property
    def fingerprint(self) -> str:
        """Hash of the source of the function's module; what the function refers to is not seen."""
        return class_fingerprint(self.function)

    def evaluate(self, space: SearchSpace, X: Genotypes) -> Mapping[str, Any]:
        """What the function returns, by metric."""
        answer = self.function(space, X)
        if isinstance(answer, Mapping) or len(self.metrics) != 1:
            return answer  # type: ignore[no-any-return]
        (metric,) = self.metrics
        return {metric if isinstance(metric, str) else metric.name: answer}
