"""Exact constrained Pareto fronts, by looking at every network of a space."""

from mcu_nas_moo.benchmark.references.enumeration.enumerator import Enumerated, Enumerator

__all__ = ["Enumerated", "Enumerator"]
