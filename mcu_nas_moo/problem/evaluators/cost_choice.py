"""Which costs a task asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.evaluators.checked_evaluator import CheckedEvaluator
from mcu_nas_moo.problem.evaluators.cost_predictor import COMMAND, CostPredictor, LearnedCosts

if TYPE_CHECKING:
    from typing import Any

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import SearchSpace


def cost_evaluator(costs: Any, space: SearchSpace, profile: Profile) -> CheckedEvaluator | None:
    """What tells the costs of a task; None for the analytic model.

    Args:
        costs: ``analytic``; ``mlp`` for one fitted to analytic labels (``standard_costs``); the
            path of a file of learned costs, as a :class:`~pathlib.Path` or a string that ends in
            ``.safetensors`` or holds a folder; or a :class:`CostPredictor`.
        space, profile: of the task.

    Raises:
        InputError: for an unknown name, a file that cannot be used, or costs that were learned for
            another space or device.
    """
    if isinstance(costs, str) and costs == "analytic":
        return None
    if isinstance(costs, str) and costs == "mlp":
        from mcu_nas_moo.problem.evaluators.cost_fit import standard_costs

        costs = standard_costs(space, profile)
    elif isinstance(costs, str | Path):
        path = Path(costs)
        named = isinstance(costs, str) and path.suffix != ".safetensors"
        if named and len(path.parts) == 1:
            raise InputError(
                f"unknown costs {costs!r}; choose analytic, mlp, or a file that `{COMMAND}` made "
                "(.safetensors)"
            )
        costs = LearnedCosts.load(path)
    if not isinstance(costs, CostPredictor):
        raise InputError(
            "costs must be a name, a path, a NetworkEvaluator or a CostPredictor, got "
            f"{type(costs).__name__}"
        )
    costs.check(space, profile)
    return CheckedEvaluator(_Evaluator(costs), getattr(costs, "file", None))


class _Evaluator:
    """A predictor of costs as an evaluator."""

    name = "learned costs"
    thread_safe = True

    def __init__(self, costs: CostPredictor) -> None:
        self._costs = costs
        self.metrics, self.fingerprint = tuple(costs.metrics), costs.fingerprint

    def evaluate(self, space: SearchSpace, X: Any) -> dict[str, FloatArray]:
        return dict(self._costs.predict(space, X))
