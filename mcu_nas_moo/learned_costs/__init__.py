"""Costs of subnets learned from labels, as an alternative to the analytic cost model."""
