"""Memory of a network, layer by layer, in plain Python, from the resolved list of its layers."""

import itertools

from mcu_nas_moo.networks.layer import Op


def last_reads(layers, outputs):
    """Step at which each tensor is read last; infinity for what the application reads."""
    last = {}
    for step, layer in enumerate(layers):
        last |= dict.fromkeys(layer.inputs, step)
    return last | dict.fromkeys(outputs or [layers[-1].output], float("inf"))


def sizes(layers):
    """Bytes of each tensor of an int8 network."""
    first = layers[0]
    written = {layer.output: layer.out_channels * area(layer.out_size) for layer in layers}
    return {0: first.in_channels * area(first.in_size)} | written


def area(size):
    return size[0] * size[1]


def reach(layer, axis):
    """Rows (axis 0) or columns (axis 1) of the input, padding included, that windows cover."""
    return (layer.out_size[axis] - 1) * layer.stride[axis] + layer.kernel[axis]


def padded_copy(layer):
    """Bytes of the input with the padding that windows reach, 0 if they stay inside."""
    rows, columns = (max(reach(layer, axis), layer.in_size[axis]) for axis in (0, 1))
    return 0 if (rows, columns) == layer.in_size else layer.in_channels * rows * columns


def scratch(layer, rule):
    """Bytes of unrolled windows and filters that X-CUBE-AI declares."""
    if not rule.im2col or layer.op != Op.CONV or not has_window(layer):
        return 0
    window = area(layer.kernel) * layer.in_channels // layer.groups
    needed = 4 * window + layer.out_channels * (2 * window + 14)
    most = (5120 + 64 * layer.in_channels) * max(area(layer.kernel), 9) // 9
    return min(needed, most)


def has_window(layer):
    return layer.kernel != (1, 1)


def simulate(layers, rule, outputs=()):
    """Bytes in memory at each layer."""
    last, size = last_reads(layers, outputs), sizes(layers)
    present, steps = {0}, []
    for step, layer in enumerate(layers):
        inputs = set(layer.inputs)
        dying = {tensor for tensor in inputs if last[tensor] == step}
        beside = sum(size[tensor] for tensor in present - inputs)
        steps.append(beside + needed(layer, rule, size, dying))
        present = (present - dying) | (
            {layer.output} if last.get(layer.output, -1) > step else set()
        )
    if rule.fused_pooling:
        fuse(layers, rule, size, last, steps)
    return steps


def needed(layer, rule, size, dying):
    """Bytes of the inputs, the output, and all else that belongs to one layer."""
    after = size[layer.output]
    if layer.op in (Op.CONV, Op.DEPTHWISE) and has_window(layer):
        return of_windows(layer, rule, size[layer.inputs[0]], after, bool(dying))
    before = sum(size[tensor] for tensor in set(layer.inputs))
    if layer.op in rule.in_place and dying:
        under = max(size[tensor] for tensor in dying)
        return before - under + max(under, after)
    return before + after


def of_windows(layer, rule, before, after, dies):
    """The same for a convolution with a window larger than 1, which has one input."""
    unrolled = scratch(layer, rule)
    copy = padded_copy(layer)
    if rule.padded_copy == "in_place":
        if not dies:
            return before + copy + after + unrolled
        return behind(layer, copy or before, after, rule.trailing_rows) + unrolled
    if copy and rule.padded_copy == "apart":
        while_padding = before + copy
        afterwards = copy + after + (0 if dies else before)
        return max(while_padding, afterwards) + unrolled
    if dies and layer.op == Op.DEPTHWISE and Op.DEPTHWISE in rule.in_place:
        return max(before, after)
    return before + after + unrolled


def behind(layer, place, after, rows):
    """The output on top of its input, some rows behind; never more than side by side."""
    row = layer.out_channels * layer.out_size[1]
    return min(max(place, after) + rows * row, place + after)


def fuse(layers, rule, size, last, steps):
    """Two rows stand for the output of a convolution that the pool after it reads alone."""
    for step, (conv, pool) in enumerate(itertools.pairwise(layers)):
        follows = conv.op == Op.CONV and pool.op == Op.POOL and pool.inputs == (conv.output,)
        inside = all(reach(pool, axis) <= pool.in_size[axis] for axis in (0, 1))
        if not (follows and inside and has_window(pool) and last[conv.output] == step + 1):
            continue
        read, born = conv.inputs[0], {0: -1}
        born |= {layer.output: at for at, layer in enumerate(layers)}
        others = {t for t in size if born[t] < step and last.get(t, -1) > step and t != read}
        rows = 2 * conv.out_channels * conv.out_size[1]
        both = sum(size[t] for t in others) + size[read] + rows + size[pool.output]
        both += scratch(conv, rule)
        steps[step] = steps[step + 1] = both
