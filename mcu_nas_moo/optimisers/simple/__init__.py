"""Searches written here: random, grid, exhaustive, local search, ageing evolution."""
