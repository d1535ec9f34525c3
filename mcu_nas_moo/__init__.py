"""Multi-objective neural architecture search for microcontrollers.

Everything that users need is imported from here; parts load when they are first used, so that
importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcu_nas_moo.common.errors import InputError
    from mcu_nas_moo.contracts.evaluator import NetworkEvaluator
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.hardware.cost_model.estimate import estimate_cost
    from mcu_nas_moo.hardware.profile import list_profiles, load_profile
    from mcu_nas_moo.optimisers.ppo import PPOOptimiser
    from mcu_nas_moo.optimisers.ppo.pymoo_algorithm import PPO
    from mcu_nas_moo.optimisers.ppo.sampler import PPOSampler
    from mcu_nas_moo.problem.adapters.gymnasium_env import SubnetEnv
    from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective
    from mcu_nas_moo.problem.adapters.pymoo_problem import McuNasProblem
    from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
    from mcu_nas_moo.problem.evaluators.function import FunctionEvaluator
    from mcu_nas_moo.problem.evaluators.table import TableEvaluator
    from mcu_nas_moo.problem.evaluators.trained_accuracy import SupernetAccuracy, TrainedAccuracy
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.spaces import Gene, SearchSpace, list_spaces, load_space

__all__ = [
    "PPO",
    "AccuracyPredictor",
    "FunctionEvaluator",
    "Gene",
    "InputError",
    "McuNasObjective",
    "McuNasProblem",
    "Metric",
    "NetworkEvaluator",
    "PPOOptimiser",
    "PPOSampler",
    "SearchSpace",
    "SubnetEnv",
    "SupernetAccuracy",
    "TableEvaluator",
    "Task",
    "TrainedAccuracy",
    "estimate_cost",
    "list_profiles",
    "list_spaces",
    "load_profile",
    "load_space",
]

_HOME = {
    "PPO": "optimisers.ppo.pymoo_algorithm",
    "AccuracyPredictor": "problem.evaluators.accuracy_predictor",
    "FunctionEvaluator": "problem.evaluators.function",
    "Gene": "spaces",
    "InputError": "common.errors",
    "McuNasObjective": "problem.adapters.optuna_objective",
    "McuNasProblem": "problem.adapters.pymoo_problem",
    "Metric": "contracts.metrics",
    "NetworkEvaluator": "contracts.evaluator",
    "PPOOptimiser": "optimisers.ppo",
    "PPOSampler": "optimisers.ppo.sampler",
    "SearchSpace": "spaces",
    "SubnetEnv": "problem.adapters.gymnasium_env",
    "SupernetAccuracy": "problem.evaluators.trained_accuracy",
    "TableEvaluator": "problem.evaluators.table",
    "Task": "problem.task",
    "TrainedAccuracy": "problem.evaluators.trained_accuracy",
    "estimate_cost": "hardware.cost_model.estimate",
    "list_profiles": "hardware",
    "list_spaces": "spaces",
    "load_profile": "hardware",
    "load_space": "spaces",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
