"""Costs of networks on microcontrollers: Flash, SRAM, latency and energy."""

from mcu_nas_moo.costs.device import Device, list_devices, load_device
from mcu_nas_moo.costs.model import CostModel, Costs
from mcu_nas_moo.costs.runtime import Runtime, list_runtimes, load_runtime

__all__ = [
    "CostModel",
    "Costs",
    "Device",
    "Runtime",
    "list_devices",
    "list_runtimes",
    "load_device",
    "load_runtime",
]
