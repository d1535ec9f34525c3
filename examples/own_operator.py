"""An operator of one's own: channel shuffle (ShuffleNet, Zhang et al., CVPR 2018).

mcu-nas search --space own_operator:Shuffled --evaluator emulator --objectives flash,instructions
"""

import numpy as np

from mcu_nas_moo import Gene, SearchSpace, Task, load_space
from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec
from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel
from mcu_nas_moo.deployment.firmware.kernels.register import register as register_kernel
from mcu_nas_moo.networks.operators import Operator, register
from mcu_nas_moo.networks.table_builder import TableBuilder


class ChannelShuffle(Operator):
    name, attributes = "channel_shuffle", {"parts": 2}

    def forward(self, layer, *inputs):
        return inputs[0].unflatten(1, (self.get(layer, "parts"), -1)).transpose(1, 2).flatten(1, 2)

    def write(self, layer, graph):
        parts, (height, width) = self.get(layer, "parts"), layer.in_size
        x = graph.reshaped(graph.inputs[0], f"{layer.name}.split", (0, parts, -1, height * width))
        x = graph.node("Transpose", [x], f"{layer.name}.turned", layer.name, perm=[0, 2, 1, 3])
        graph.reshaped(x, graph.output, (0, layer.in_channels, height, width))


class Exchange(Kernel):  # its C code lies in own_operator.h
    operators = ("Transpose",)

    def problem(self, node):
        return None if node.attributes["perm"] == [0, 2, 1, 3] else "it exchanges other axes"

    def code(self, node, c):
        return c.call("own_exchange", c.input(0), c.output, *node.shape(0)[1:])


class Shuffled(SearchSpace):
    input, output = InputSpec(channels=3, height=32, width=32), OutputSpec(classes=2)

    def __init__(self):
        super().__init__("shuffled", [Gene("width", (8, 16, 24)), Gene("kernel", (3, 5))])

    def network(self, X):
        width, kernel = (np.array(g.options)[x] for g, x in zip(self.genes, self.check(X).T))
        net = TableBuilder(3, 32, 32, networks=len(X))
        x = net.add("conv", 0, channels=width, kernel=3, stride=4, activation="relu")
        x = net.separable(net.add("channel_shuffle", x, parts=4), 2 * width, kernel)
        net.add("dense", net.add("global_pool", x), channels=2)
        return net.table()


register(ChannelShuffle())
register_kernel(Exchange())
if __name__ == "__main__":
    space = load_space("own_operator:Shuffled")
    task = Task(space, "cortex-m4", ["flash", "instructions"], evaluators=["emulator"])
    print("KiB of Flash, million instructions:", *task.evaluate(np.array([[1, 0]])).F[0].round(3))
