"""An optimiser of one's own: it changes one gene of a network that nothing known dominates.

python own_optimiser.py
mcu-nas-bench --algos own_optimiser:Mine,random,nsga2 --budget 300 --seeds 3
mcu-nas search --algo own_optimiser:Mine
"""

import numpy as np

from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.testing import toy_task

BATCH = 10


class Mine:
    """Asked for genotypes, told what they are worth, in turn until the budget is used up."""

    any_time = True  # a longer run begins as a shorter one

    def __init__(self, setting):
        self.task, self.rng = setting.task, np.random.default_rng(setting.seed)
        self.X = self.task.space.sample(0, self.rng)
        self.F = np.zeros((0, self.task.n_obj))

    def ask(self):
        X = self.task.space.sample(BATCH, self.rng)
        if len(self.X):
            X = self.X[self.rng.integers(len(self.X), size=BATCH)]
            genes = self.rng.integers(self.task.n_genes, size=BATCH)
            X[np.arange(BATCH), genes] = self.rng.integers(self.task.n_choices[genes])
        return X

    def tell(self, X, F, G):
        excess = np.maximum(G, 0).sum(axis=1)  # 0 where all limits are met
        self.X = np.concatenate([self.X, X])
        self.F = np.concatenate([self.F, F + 100 * excess[:, None]])
        no_worse = (self.F[:, None] <= self.F).all(axis=2)
        better = (self.F[:, None] < self.F).any(axis=2)
        kept = ~(no_worse & better).any(axis=0)
        self.X, self.F = self.X[kept], self.F[kept]


if __name__ == "__main__":
    task = toy_task()
    X, F = task.front()
    setting = Setting(task, F.min(axis=0), F.max(axis=0), budget=1000, seed=0)
    optimiser = Mine(setting)
    for _ in range(setting.budget // BATCH):
        proposed = optimiser.ask()
        optimiser.tell(proposed, *task.evaluate(proposed))
    known = {tuple(f) for f in F.round(9)}
    found = known & {tuple(f) for f in optimiser.F.round(9)}
    print(
        f"{len(found)} of the {len(known)} points of the front, after {task.evaluations} of 3,328"
    )
