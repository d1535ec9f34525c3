"""Fitting the coefficients of runtimes to published measurements, or to a user's own."""
