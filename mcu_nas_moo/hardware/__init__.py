"""Devices, runtimes and profiles: what a network is deployed on, and under which limits."""

from mcu_nas_moo.hardware.device import Device, list_devices, load_device
from mcu_nas_moo.hardware.profile import Profile, list_profiles, load_profile
from mcu_nas_moo.hardware.runtime import Runtime, list_runtimes, load_runtime

__all__ = [
    "Device",
    "Profile",
    "Runtime",
    "list_devices",
    "list_profiles",
    "list_runtimes",
    "load_device",
    "load_profile",
    "load_runtime",
]
