"""Proximal policy optimisation as a black-box optimiser of any finite, discrete space.

``settings`` what can be tuned · ``reward`` one number per evaluation and preference · ``memory``
everything evaluated and the best of it · ``agent`` the networks and their training, by
stable-baselines3 · ``optimiser`` ask and tell on top of these.
"""

from mcu_nas_moo.ppo.optimiser import PPOOptimiser
from mcu_nas_moo.ppo.settings import PPOSettings

__all__ = ["PPOOptimiser", "PPOSettings"]
