"""An evaluator of one's own: it tells an error and a figure that the package does not know.

python own_evaluator.py
mcu-nas search --space own_space:MySpace --profile cortex-m4 --evaluator own_evaluator:Mine \
    --objectives error,latency,warm_up_ms --limit warm_up_ms=9
"""

import numpy as np

from mcu_nas_moo import Metric, Task


class Mine:
    """Guesses by the sizes of all genes; a lab would train, ask a server or look at a board.

    An evaluator that measures says ``deterministic = False``, a slow one ``cost = "minutes"``:
    figures are then kept on disk, and asked for once.
    """

    metrics = ("error", Metric("warm_up_ms", unit="ms", decimals=2))
    accuracy_of = "nothing (a guess)"

    def evaluate(self, space, X):
        X = space.canonical(X)  # equal networks have equal figures
        size = (X / np.maximum(space.n_choices - 1, 1)).mean(axis=1)  # 0 to 1
        last = X[:, -1] / max(space.n_choices[-1] - 1, 1)
        failed = size > 0.95
        return {
            "error": np.where(failed, np.nan, 0.05 + 0.4 * np.exp(-3 * size)),
            "warm_up_ms": np.where(failed, np.nan, 2 + 8 * size - 3 * last),
            # A network that cannot be evaluated is NaN, with a reason.
            "reason": np.where(failed, "does not fit into the lab's board", ""),
        }


if __name__ == "__main__":
    from own_space import MySpace

    goals = ("error", "latency", "warm_up_ms")
    task = Task(MySpace(), "cortex-m4", goals, limits={"warm_up_ms": 9}, evaluators=[Mine()])
    X = task.space.sample(6, np.random.default_rng(0))
    X[-1] = task.n_choices - 1  # the largest one
    F, G = task.evaluate(X)
    for x, values, excess in zip(X, F, G):
        fits = "fits" if (excess <= 0).all() else task.reason(x) or "too much"
        print(dict(zip(goals, values.round(3).tolist())), fits)
