"""A search space of one's own: plain convolutional networks for grey pictures of 24x48.

python own_space.py
mcu-nas search --space own_space:MySpace --profile cortex-m4 --evaluator own_evaluator:Mine
"""

import numpy as np

from mcu_nas_moo import Gene, SearchSpace
from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec
from mcu_nas_moo.networks.table_builder import TableBuilder


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
        net, relu = TableBuilder(1, 24, 48, networks=len(X)), {"activation": "relu"}
        x = net.add("conv", 0, channels=a, kernel=k, stride=2, name="first", **relu)
        x = net.add("conv", x, channels=b, kernel=k, stride=2, name="second", **relu)
        third = {"active": depth == 3, "name": "third"}
        x = net.add("conv", x, channels=b, kernel=last, **third, **relu)
        x = net.add("global_pool", x, name="pool")
        net.add("dense", x, channels=4, name="classifier")
        return net.table()


if __name__ == "__main__":
    X = MySpace().sample(5, np.random.default_rng(0))
    for macs, subnet in zip(MySpace().network(X).macs.sum(axis=1), MySpace().decode(X)):
        print(f"{macs / 1e6:.2f} million MACs: {subnet}")
