"""Costs of networks on microcontrollers: Flash, SRAM, latency and energy."""

from mcu_nas_moo.hardware.cost_model.model import CostModel, Costs

__all__ = ["CostModel", "Costs"]
