"""Constraint profiles: boards, runtimes and what an application leaves to a network."""
