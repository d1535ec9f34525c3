"""Proximal policy optimisation as a black-box optimiser of any finite, discrete space.

``settings`` what can be tuned · ``reward`` one number per evaluation and preference · ``memory``
everything evaluated and the best of it · ``agent`` the networks and their training, by
stable-baselines3 · ``surrogate`` what is expected of other points · ``search`` which of many
candidates to evaluate · ``variation`` how they are bred · ``optimiser`` ask and tell on top of
these · ``progress`` its record · ``sampler`` its face for Optuna, with ``discretise`` and
``learner`` · ``algorithm`` its face for pymoo. The faces load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.optimisers.ppo.optimiser import PPOOptimiser
from mcu_nas_moo.optimisers.ppo.settings import PPOSettings

if TYPE_CHECKING:
    from mcu_nas_moo.optimisers.ppo.sampler import PPOSampler

__all__ = ["PPOOptimiser", "PPOSampler", "PPOSettings"]


def __getattr__(name: str) -> Any:
    if name != "PPOSampler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mcu_nas_moo.optimisers.ppo.sampler import PPOSampler

    return PPOSampler
