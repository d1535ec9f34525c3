"""Supernets: one set of weights for all subnets of a space, and labels made with it."""
