"""The search problem as pymoo, Optuna and Gymnasium see it."""
