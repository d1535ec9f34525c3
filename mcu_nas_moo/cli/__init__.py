"""The two programs of the package, and what they share."""
