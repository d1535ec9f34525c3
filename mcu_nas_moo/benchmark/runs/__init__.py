"""Runs of optimisers, and the studies and suites that they belong to."""
