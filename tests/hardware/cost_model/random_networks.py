"""Small networks of every kind of layer, at random."""

from hypothesis import strategies as st

from mcu_nas_moo.hardware.runtime import MemoryRule
from mcu_nas_moo.networks.layer import Layer, Op

JOINING = (Op.ADD, Op.MUL, Op.CONCAT)
WINDOWED = (Op.CONV, Op.DEPTHWISE, Op.POOL)
SINGLE = [op for op in Op if op not in (*JOINING, Op.MATMUL)]


def memory_rule(**facts):
    """A rule without coefficients."""
    blank = dict.fromkeys(
        ("fixed_kib", "kib_per_weighted_layer", "kib_per_other_layer", "kib_per_channel"), 0.0
    )
    return MemoryRule(**{"in_place": (), "scale": 1, **blank, "source": "", "fits": (), **facts})


memory_rules = st.builds(
    memory_rule,
    in_place=st.sets(st.sampled_from(Op)).map(tuple),
    padded_copy=st.sampled_from(["none", "apart", "in_place"]),
    trailing_rows=st.integers(0, 6),
    im2col=st.booleans(),
    fused_pooling=st.booleans(),
)


def divisors(number):
    return [d for d in range(1, number + 1) if number % d == 0]


def fits(op, shape, other):
    """Whether two tensors, (channels, height, width), can be joined."""
    if op == Op.CONCAT:
        return shape[1:] == other[1:]
    # One value for each channel is added to, or multiplies, the whole image.
    return shape[0] == other[0] and (shape == other or (1, 1) in (shape[1:], other[1:]))


@st.composite
def windows(draw, size):
    """Kernel, stride and resulting size along one axis, padded or not."""
    kernel, stride = draw(st.sampled_from([1, 1, 2, 3, 3, 5])), draw(st.sampled_from([1, 1, 2]))
    if kernel <= size and draw(st.booleans()):
        return kernel, stride, (size - kernel) // stride + 1
    return kernel, stride, -(-size // stride)


@st.composite
def networks(draw, max_layers=8):
    """Layers in order of execution, and the tensors that the application reads."""
    number = st.integers(1, 12)
    # Tensors by number: channels, height, width. Numbers need not follow one another.
    shapes = {0: (draw(number), draw(number), draw(number))}
    layers = []
    for output in range(2, 2 + 3 * draw(st.integers(1, max_layers)), 3):
        # Mostly the newest tensor, so that the networks are deep.
        read = draw(st.sampled_from([max(shapes), max(shapes), *shapes]))
        channels, *size = shapes[read]
        op = draw(st.sampled_from([*SINGLE, *JOINING, *WINDOWED, Op.CONV]))
        inputs, after, groups = (read,), (channels, *size), 1
        kernel, stride = (1, 1), (1, 1)
        if op in JOINING:
            second = draw(st.sampled_from([t for t, s in shapes.items() if fits(op, after, s)]))
            inputs = (read, second)
            if op == Op.CONCAT:
                after = (channels + shapes[second][0], *size)
            else:
                after = max(after, shapes[second])
        elif op in WINDOWED:
            rows, columns = draw(windows(size[0])), draw(windows(size[1]))
            kernel, stride = (rows[0], columns[0]), (rows[1], columns[1])
            groups = draw(st.sampled_from(divisors(channels))) if op == Op.CONV else 1
            groups = channels if op == Op.DEPTHWISE else groups
            out = groups * draw(st.integers(1, 4)) if op == Op.CONV else channels
            after = (out, rows[2], columns[2])
        elif op == Op.GLOBAL_POOL:
            after = (channels, 1, 1)
        elif op == Op.DENSE:
            channels, size = channels * size[0] * size[1], [1, 1]
            after = (draw(number), 1, 1)
        elif op == Op.RESIZE:
            after = (channels, 2 * size[0], 2 * size[1])
        elif op == Op.PAD:
            after = (channels, size[0] + 1, size[1] + 2)
        layers.append(
            Layer(
                f"{op}{output}",
                op,
                inputs,
                output,
                "",
                channels,
                after[0],
                kernel,
                stride,
                tuple(size),
                after[1:],
                groups,
            )
        )
        shapes[output] = after
    written = [layer.output for layer in layers]
    return layers, draw(st.lists(st.sampled_from(written), max_size=2, unique=True))
