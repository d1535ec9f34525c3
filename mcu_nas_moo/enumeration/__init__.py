"""Exact constrained Pareto fronts, by looking at every network of a space."""

from mcu_nas_moo.enumeration.enumerator import Enumerated, Enumerator, can_enumerate
from mcu_nas_moo.enumeration.exact_reference import exact_reference

__all__ = ["Enumerated", "Enumerator", "can_enumerate", "exact_reference"]
