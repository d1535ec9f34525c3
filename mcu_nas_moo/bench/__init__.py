"""The benchmark: optimisers under one contract, runs, histories, indicators and a report."""

from mcu_nas_moo.bench.optimiser import Optimiser, Setting, list_optimisers, load_optimiser

__all__ = ["Optimiser", "Setting", "list_optimisers", "load_optimiser"]
