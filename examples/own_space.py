"""A search space of one's own: plain convolutional networks for grey pictures of 24x48.

python own_space.py
mcu-nas search --space own_space:MySpace --profile cortex-m4 --evaluator own_evaluator:Mine
"""

import numpy as np

from mcu_nas_moo import Gene, SearchSpace
from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec
from mcu_nas_moo.networks.layer import Op, Slot
from mcu_nas_moo.networks.layer_table import LayerTable, Topology

KINDS = {"first": Op.CONV, "second": Op.CONV, "third": Op.CONV}
KINDS |= {"pool": Op.GLOBAL_POOL, "classifier": Op.DENSE}
# Each reads what the one before it wrote.
SLOTS = [Slot(name, op, (n,)) for n, (name, op) in enumerate(KINDS.items())]
SLOTS = [slot._replace(activation="relu" * (slot.op == Op.CONV)) for slot in SLOTS]


class MySpace(SearchSpace):
    """Two or three convolutions; the third keeps the shape of what it reads."""

    input = InputSpec(channels=1, height=24, width=48)
    output = OutputSpec(classes=4)
    n_networks = 4 * 4 * 2 * (1 + 3)

    def __init__(self):
        genes = {"width1": (4, 8, 12, 16), "width2": (8, 16, 24, 32), "kernel": (3, 5)}
        genes |= {"depth": (2, 3), "last_kernel": (1, 3, 5)}
        super().__init__("ladder", [Gene(name, options) for name, options in genes.items()])

    def active(self, X):
        mask = super().active(X)
        mask[:, 4] = X[:, 3] == 1  # the last kernel belongs to the third convolution
        return mask

    def network(self, X):
        X = self.check(X)
        a, b, k, depth, last = (np.array(g.options)[x] for g, x in zip(self.genes, X.T))
        columns = zip(  # channels in and out, kernel, stride, height in and out
            (1, a, k, 2, 24, 12),
            (a, b, k, 2, 12, 6),
            (b, b, last, 1, 6, 6),
            (b, b, 1, 1, 6, 1),
            (b, 4, 1, 1, 1, 1),
        )
        read, written, kernel, stride, high, low = (
            np.stack([np.broadcast_to(x, len(X)) for x in column], axis=1) for column in columns
        )
        sides = [high, np.where(high > 1, 2 * high, 1), low, np.where(low > 1, 2 * low, 1)]
        active = (depth[:, None] == 3) | (np.arange(5) != 2)
        topology = Topology(tuple(SLOTS))
        return LayerTable(topology, active, read, written, kernel, kernel, stride, stride, *sides)


if __name__ == "__main__":
    X = MySpace().sample(5, np.random.default_rng(0))
    for macs, subnet in zip(MySpace().network(X).macs.sum(axis=1), MySpace().decode(X)):
        print(f"{macs / 1e6:.2f} million MACs: {subnet}")
