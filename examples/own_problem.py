"""A problem of one's own, without networks: which lessons fit into a week.

python own_problem.py
mcu-nas-bench --problem own_problem:Mine --algos ppo,nsga2,random --budget 400 --seeds 3
"""

import itertools

import numpy as np

HOURS = [0, 1, 2, 4, 6, 8]


class Mine:
    """Hours of five subjects: little work and much learned, in at most 20 hours.

    Needs nothing of the package. ``reference_front`` may be left out, and so may ``decode``.
    """

    genes = dict.fromkeys(("maths", "music", "sports", "crafts", "texts"), HOURS)
    objectives = ("tiredness", "ignorance")
    constraints = ("week",)
    EFFORT = np.array([1.5, 0.6, 0.9, 0.7, 1.2])
    GAIN = np.array([3.0, 1.1, 1.0, 1.4, 2.6])

    def evaluate(self, X):
        hours = np.array(HOURS)[X]
        tiredness = hours @ self.EFFORT + 0.02 * (hours**2).sum(axis=1)
        learned = np.sqrt(hours) @ self.GAIN
        return np.stack([tiredness, 30 - learned], axis=1), hours.sum(axis=1)[:, None] / 20 - 1

    def reference_front(self):
        X = np.array(list(itertools.product(range(6), repeat=5)))
        F, G = self.evaluate(X)
        F = F[(G <= 0).all(axis=1)]
        F = F[np.lexsort(F.T[::-1])]  # by tiredness, then ignorance
        best = np.minimum.accumulate(F[:, 1])
        return F[np.r_[True, F[1:, 1] < best[:-1]]]

    def decode(self, X):
        names = list(self.genes)
        return [dict(zip(names, map(int, np.array(HOURS)[x]))) for x in X]


if __name__ == "__main__":
    problem = Mine()
    front = problem.reference_front()
    print(f"{len(front)} weeks of {6**5:,} are on the front")
    X = np.random.default_rng(0).integers(0, 6, (3, 5))
    F, G = problem.evaluate(X)
    for week, values, over in zip(problem.decode(X), F.round(1).tolist(), G[:, 0]):
        print(week, values, "fits" if over <= 0 else "too long")
