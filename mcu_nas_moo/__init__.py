"""Multi-objective neural architecture search for microcontrollers.

Everything that users need is imported from here; parts load when they are first used, so that
importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcu_nas_moo.accuracy.predictor import AccuracyPredictor
    from mcu_nas_moo.costs.estimate import estimate_cost
    from mcu_nas_moo.env import SubnetEnv
    from mcu_nas_moo.objective import McuNasObjective
    from mcu_nas_moo.ppo import PPOOptimiser
    from mcu_nas_moo.ppo.algorithm import PPO
    from mcu_nas_moo.ppo.sampler import PPOSampler
    from mcu_nas_moo.problem import McuNasProblem
    from mcu_nas_moo.profiles import list_profiles, load_profile
    from mcu_nas_moo.spaces import list_spaces, load_space
    from mcu_nas_moo.task import Task

__all__ = [
    "PPO",
    "AccuracyPredictor",
    "McuNasObjective",
    "McuNasProblem",
    "PPOOptimiser",
    "PPOSampler",
    "SubnetEnv",
    "Task",
    "estimate_cost",
    "list_profiles",
    "list_spaces",
    "load_profile",
    "load_space",
]

_HOME = {
    "PPO": "ppo.algorithm",
    "AccuracyPredictor": "accuracy.predictor",
    "McuNasObjective": "objective",
    "McuNasProblem": "problem",
    "PPOOptimiser": "ppo",
    "PPOSampler": "ppo.sampler",
    "SubnetEnv": "env",
    "Task": "task",
    "estimate_cost": "costs.estimate",
    "list_profiles": "profiles",
    "list_spaces": "spaces",
    "load_profile": "profiles",
    "load_space": "spaces",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
