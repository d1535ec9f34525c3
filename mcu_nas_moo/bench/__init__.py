"""The benchmark: optimisers under one contract, runs, histories, indicators and a report."""

from mcu_nas_moo.bench.optimiser import Optimiser, Setting, list_optimisers, make_optimiser

__all__ = ["Optimiser", "Setting", "list_optimisers", "make_optimiser"]
