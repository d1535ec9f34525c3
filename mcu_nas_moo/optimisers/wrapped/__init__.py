"""Searches of other libraries behind the contract of optimisers."""
