"""Work, counts and costs of a network, layer by layer, in plain Python."""

from plain_memory import area, simulate, sizes

from mcu_nas_moo.networks.layer import Op

CONVOLUTIONS = (Op.CONV, Op.TRANSPOSED_CONV)
WEIGHTED = (*CONVOLUTIONS, Op.DEPTHWISE, Op.DENSE, Op.LAYER_NORM)
#: In int8 all of these are one kernel, which looks values up.
FUNCTIONS = {Op.ELEMENTWISE, Op.RELU, Op.RELU6, Op.HARD_SWISH, Op.HARD_SIGMOID, Op.SIGMOID}
FUNCTIONS |= {Op.TANH, Op.GELU, Op.SOFTMAX}


def weights(layer):
    """Weights of a layer, without biases."""
    if layer.op not in WEIGHTED:
        return 0
    if layer.op == Op.LAYER_NORM:
        return layer.out_channels
    groups = layer.in_channels if layer.op == Op.DEPTHWISE else layer.groups
    return area(layer.kernel) * layer.in_channels * layer.out_channels // groups


def work_of_layer(layer, size):
    """Work of one layer by unit, from the sizes of all tensors."""
    macs = weights(layer) * area(
        layer.in_size if layer.op == Op.TRANSPOSED_CONV else layer.out_size
    )
    written = size[layer.output]
    # In groups, the first channel of each counts as depthwise.
    grouped = layer.op == Op.CONV and layer.groups > 1
    first_of_group = written * area(layer.kernel) if grouped else 0
    return {
        "conv_mac": macs - first_of_group if layer.op in CONVOLUTIONS else 0,
        "depthwise_mac": macs if layer.op == Op.DEPTHWISE else first_of_group,
        "dense_mac": macs if layer.op == Op.DENSE else 0,
        "idle_mac": written * area(layer.kernel) * max(8 - layer.in_channels, 0)
        if layer.op == Op.CONV and layer.groups == 1
        else 0,
        "input_element": sum(size[tensor] for tensor in layer.inputs),
        "output_element": written,
        "elementwise_element": written
        if layer.op in {*FUNCTIONS, Op.MUL, Op.ZERO, Op.LAYER_NORM}
        else 0,
        "layer": 1,
    }


def work(layers):
    """Work of a network by unit."""
    size = sizes(layers)
    each = [work_of_layer(layer, size) for layer in layers]
    return {unit: sum(of_layer[unit] for of_layer in each) for unit in each[0]}


def counts(layers):
    """Layers, layers with weights, and the output channels of those."""
    weighted = [layer for layer in layers if layer.op in WEIGHTED]
    return [len(layers), len(weighted), sum(layer.out_channels for layer in weighted)]


def kinds(layers):
    """Kinds of layers, pointwise convolutions apart from others."""
    return len(
        {
            (
                Op.ELEMENTWISE if layer.op in FUNCTIONS else layer.op,
                layer.op == Op.CONV and layer.kernel == (1, 1),
            )
            for layer in layers
        }
    )


def costs(model, layers, outputs=()):
    """Flash, SRAM, latency and energy of one network, by the formulas of the documentation."""
    memory, flash, latency = model.runtime.memory, model.runtime.flash, model.runtime.latency
    n_layers, n_weighted, n_channels = counts(layers)
    parameters = sum(map(weights, layers)) * flash.bytes_per_weight
    parameters += n_channels * flash.bytes_per_bias
    flash_kib = (
        parameters / 1024
        + n_channels * flash.kib_per_channel
        + n_layers * flash.kib_per_layer
        + kinds(layers) * flash.kib_per_kind
        + flash.fixed_kib
    )
    sram_kib = (
        memory.scale * max(simulate(layers, memory, outputs)) / 1024
        + n_weighted * memory.kib_per_weighted_layer
        + (n_layers - n_weighted) * memory.kib_per_other_layer
        + n_channels * memory.kib_per_channel
        + memory.fixed_kib
    )
    cycles = sum(getattr(latency.cycles, unit) * n for unit, n in work(layers).items())
    seconds = cycles * model.device.cycles_factor.value / (model.device.clock_mhz * 1e6)
    return flash_kib, sram_kib, 1e3 * seconds, model.device.active_power_mw.value * seconds
