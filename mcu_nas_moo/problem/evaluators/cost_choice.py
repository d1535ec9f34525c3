"""Which predictor of costs a task asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.evaluators.cost_predictor import COMMAND, CostPredictor, LearnedCosts

if TYPE_CHECKING:
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import MBConvSpace


def cost_predictor(
    predictors: str | Path | CostPredictor, space: MBConvSpace, profile: Profile
) -> CostPredictor | None:
    """What predicts the costs of a task; None for the analytic model.

    Args:
        predictors: ``analytic``; ``mlp`` for one fitted to analytic labels
            (``standard_costs``); the path of a file of
            learned costs, as a :class:`~pathlib.Path` or a string that ends in ``.safetensors`` or
            holds a folder; or an object.
        space, profile: of the task.

    Raises:
        InputError: for an unknown name, a file that cannot be used, or costs that were learned for
            another space or device.
    """
    if predictors == "analytic":
        return None
    if predictors == "mlp":
        from mcu_nas_moo.problem.evaluators.cost_fit import standard_costs

        return standard_costs(space, profile)
    if isinstance(predictors, str | Path):
        path = Path(predictors)
        named = isinstance(predictors, str) and path.suffix != ".safetensors"
        if named and len(path.parts) == 1:
            raise InputError(
                f"unknown predictors {predictors!r}; choose analytic, mlp, or a file that "
                f"`{COMMAND}` made (.safetensors)"
            )
        costs: CostPredictor = LearnedCosts.load(path)
    elif isinstance(predictors, CostPredictor):
        costs = predictors
    else:
        raise InputError(
            f"predictors must be a name, a path or a CostPredictor, got {type(predictors).__name__}"
        )
    costs.check(space, profile)
    return costs
