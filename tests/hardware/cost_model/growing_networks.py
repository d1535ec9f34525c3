"""Small networks as data, so that one figure of them can be raised.

They stay clear of the few places where a runtime does less for a larger layer, which have tests of
their own: images have at most 4 channels and all other tensors more than 8; kernels are odd; each
network holds pointwise and other convolutions, whatever their kernels are.
"""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable


@dataclass(frozen=True)
class Block:
    """One of the kinds below; some ignore some of the figures."""

    kind: str
    kernel: int
    stride: int
    width: int


@dataclass(frozen=True)
class Spec:
    size: int
    channels: int
    stem: int
    blocks: tuple[Block, ...]
    classes: int

    def table(self, last_block=True):
        """The layer table, if need be without the last block."""
        chain = _Chain(self.size, self.channels)
        chain.window(Op.CONV, 3, 2, self.stem)
        chain.window(Op.CONV, 1, 1, self.stem)
        for block in self.blocks if last_block else self.blocks[:-1]:
            getattr(chain, block.kind)(block)
        chain.write(Op.GLOBAL_POOL, (chain.last,), 1, chain.channels)
        chain.write(Op.DENSE, (chain.last,), 1, self.classes)
        return LayerTable.of(chain.layers)


class _Chain:
    def __init__(self, size, channels):
        self.shapes = {0: (size, channels)}
        self.layers = []

    @property
    def last(self):
        return len(self.layers)

    @property
    def channels(self):
        return self.shapes[self.last][1]

    def write(self, op, inputs, size, channels, kernel=1, stride=1):
        before, read = self.shapes[inputs[0]]
        number = self.last + 1
        self.shapes[number] = (size, channels)
        sizes = (kernel,) * 2, (stride,) * 2, (before,) * 2, (size,) * 2
        self.layers.append(Layer(f"{op}{number}", op, inputs, number, "", read, channels, *sizes))
        return number

    def window(self, op, kernel, stride, channels, source=None):
        source = self.last if source is None else source
        size = -(-self.shapes[source][0] // stride)
        return self.write(op, (source,), size, channels, kernel, stride)

    def conv(self, block):
        self.window(Op.CONV, block.kernel, block.stride, block.width)

    def depthwise(self, block):
        self.window(Op.DEPTHWISE, block.kernel, block.stride, self.channels)
        self.window(Op.CONV, 1, 1, block.width)

    def residual(self, block):
        shortcut, channels = self.last, self.channels
        self.window(Op.CONV, 1, 1, block.width)
        self.window(Op.DEPTHWISE, block.kernel, 1, block.width)
        end = self.window(Op.CONV, 1, 1, channels)
        self.write(Op.ADD, (shortcut, end), self.shapes[end][0], channels)

    def squeeze(self, block):
        source, channels = self.last, self.channels
        self.write(Op.GLOBAL_POOL, (source,), 1, channels)
        self.write(Op.DENSE, (self.last,), 1, block.width)
        end = self.write(Op.DENSE, (self.last,), 1, channels)
        self.write(Op.MUL, (source, end), self.shapes[source][0], channels)

    def branches(self, block):
        source = self.last
        first = self.window(Op.CONV, 1, 1, block.width, source)
        second = self.window(Op.CONV, block.kernel, 1, block.width, source)
        self.write(Op.CONCAT, (first, second), self.shapes[first][0], 2 * block.width)


blocks = st.builds(
    Block,
    kind=st.sampled_from(["conv", "depthwise", "residual", "squeeze", "branches"]),
    kernel=st.sampled_from([3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    width=st.integers(9, 40),
)
specs = st.builds(
    Spec,
    size=st.integers(4, 40),
    channels=st.integers(1, 3),
    stem=st.integers(9, 40),
    blocks=st.lists(blocks, min_size=1, max_size=4).map(tuple),
    classes=st.integers(1, 20),
)


@st.composite
def grown(draw, spec):
    """``spec`` with one figure raised, or one block more."""
    field = draw(
        st.sampled_from(["size", "channels", "stem", "classes", "kernel", "width", "depth"])
    )
    by = draw(st.integers(1, 3))
    if field == "channels":
        return replace(spec, channels=min(spec.channels + by, 4))
    if field in ("size", "stem", "classes"):
        return replace(spec, **{field: getattr(spec, field) + by})
    at = draw(st.integers(0, len(spec.blocks) - 1))
    block = spec.blocks[at]
    if field == "depth":
        more = (block, replace(block, stride=1))
    elif field == "kernel":
        more = (replace(block, kernel=block.kernel + 2),)
    else:
        more = (replace(block, width=block.width + by),)
    return replace(spec, blocks=spec.blocks[:at] + more + spec.blocks[at + 1 :])
