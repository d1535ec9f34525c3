"""The search problem: what is evaluated, by what, under which limits."""
