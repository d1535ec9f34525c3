"""Memory of a network, layer by layer, in plain Python."""


def simulate(layers, memory_rule):
    """Bytes in memory at each layer, in plain Python, from the resolved list of layers."""
    first = layers[0]
    size = {0: first.in_channels * first.in_size[0] * first.in_size[1]}
    last_read = {}
    for step, layer in enumerate(layers):
        size[layer.output] = layer.out_channels * layer.out_size[0] * layer.out_size[1]
        for tensor in layer.inputs:
            last_read[tensor] = step
    present = {0}
    steps = []
    for step, layer in enumerate(layers):
        others = sum(size[t] for t in present if t not in layer.inputs)
        inputs = {t: size[t] for t in layer.inputs}
        dying = {t for t in inputs if last_read[t] == step}
        output = size[layer.output]
        if memory_rule.explicit_padding and layer.kernel[0] > 1:
            border = 2 * (layer.kernel[0] // 2)
            height, width = layer.in_size
            copy = layer.in_channels * (height + border) * (width + border)
            kept = sum(size[t] for t in inputs if t not in dying)
            steps.append(others + max(sum(inputs.values()) + copy, kept + copy + output))
        elif layer.op in memory_rule.in_place and dying:
            over = max(dying, key=size.__getitem__)
            beside = sum(size[t] for t in inputs if t != over)
            steps.append(others + beside + max(size[over], output))
        else:
            steps.append(others + sum(inputs.values()) + output)
        present = (present - dying) | {layer.output}
    return steps
