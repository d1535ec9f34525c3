"""Optimisers under one contract: asked for genotypes, told what they are worth."""

from mcu_nas_moo.contracts.optimiser import Optimiser, Setting
from mcu_nas_moo.optimisers.register import list_optimisers, load_optimiser

__all__ = ["Optimiser", "Setting", "list_optimisers", "load_optimiser"]
