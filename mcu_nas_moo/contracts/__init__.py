"""What the parts of the house promise each other; implementations lie in the packages above."""
