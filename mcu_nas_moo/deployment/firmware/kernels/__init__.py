"""Kernels: what computes each operator of an int8 network on a microcontroller."""
