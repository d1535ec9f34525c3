"""Tuning of optimisers by the quality of their runs."""
