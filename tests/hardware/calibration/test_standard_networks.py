"""Standard networks have the parameters and MACs that were published."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mcu_nas_moo.hardware.calibration.measurements import shipped_networks
from mcu_nas_moo.networks.layer import Op

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from standard_networks import STANDARD_NETWORKS, cifar_resnet, mobilenet_v1, squeezenet_v11

#: Printed in kB of 1000 bytes: 214.69 KiB, as in all other releases.
IN_KILOBYTES = ("mobilenetv1_a025_96x3_5", "stm32cube-ai-7.3.0")


#: No Flash was published with the latencies of these.
LATENCY_ALONE = ("mlperf_vww", "mlperf_kws", "mlperf_ad")


@pytest.mark.parametrize("name", STANDARD_NETWORKS)
def test_shipped_rows_are_those_of_the_definition(name):
    shipped, defined = shipped_networks()[name], STANDARD_NETWORKS[name]()
    assert shipped.layers() == defined.layers()
    assert shipped.topology.outputs == defined.topology.outputs


@pytest.mark.parametrize("name", sorted(set(STANDARD_NETWORKS) - set(LATENCY_ALONE)))
def test_weights_as_published(shipped, name):
    """One byte per weight and four per bias."""
    table = STANDARD_NETWORKS[name]()
    kib = (table.weights.sum() + 4 * table.biases.sum()) / 1024
    rows = shipped.rows[shipped.rows.network == name]
    printed = {
        runtime: figure
        for runtime, figure in zip(rows.runtime, rows.weights_flash_kib, strict=True)
        if figure == figure and (name, runtime) != IN_KILOBYTES
    }
    assert printed
    assert printed == pytest.approx(dict.fromkeys(printed, kib), abs=0.1)


@pytest.mark.parametrize(("width", "millions"), [(0.25, 41), (0.5, 149), (0.75, 325), (1.0, 569)])
def test_macs_of_mobilenet_v1(width, millions):
    """Howard et al., 2017, table 6, without the classifier or with it: a million at most."""
    assert mobilenet_v1(width, 224, 3, 1000).macs.sum() / 1e6 == pytest.approx(millions, abs=1)


@pytest.mark.parametrize(("size", "millions"), [(192, 418), (160, 290), (128, 186)])
def test_macs_of_mobilenet_v1_on_smaller_images(size, millions):
    """Howard et al., 2017, table 7."""
    assert mobilenet_v1(1.0, size, 3, 1000).macs.sum() / 1e6 == pytest.approx(millions, abs=1)


def test_parameters_of_mobilenet_v1():
    """4.2 million (table 6); without batch norm, whose scales int8 networks fold."""
    table = mobilenet_v1(1.0, 224, 3, 1000)
    assert (table.weights + table.biases).sum() / 1e6 == pytest.approx(4.2, abs=0.05)


def test_keyword_spotting_of_mlperf_tiny():
    """Convolution of 10x4, four pairs of depthwise and pointwise layers of 64, 12 words."""
    table = STANDARD_NETWORKS["mlperf_kws"]()
    assert table.weights.sum() == 64 * 40 + 4 * (64 * 9 + 64 * 64) + 64 * 12
    assert table.macs.sum() == 25 * 5 * (64 * 40 + 4 * (64 * 9 + 64 * 64)) + 64 * 12


def test_anomaly_detection_of_mlperf_tiny():
    """640 features through 128 and a bottleneck of 8 back to 640."""
    table = STANDARD_NETWORKS["mlperf_ad"]()
    assert table.macs.sum() == table.weights.sum() == 2 * (640 * 128 + 3 * 128**2 + 128 * 8)


def test_resnet_8_of_mlperf_tiny():
    """Banbury et al., 2021: 12.5 million MACs, 78 thousand parameters."""
    table = cifar_resnet(8, 10)
    assert table.macs.sum() / 1e6 == pytest.approx(12.5, abs=0.05)
    assert (table.weights + table.biases).sum() / 1e3 == pytest.approx(78, abs=0.5)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_parameters_of_resnets_for_cifar(depth, millions):
    """He et al., 2016, table 6; ours have projections in two shortcuts, 2,560 weights more."""
    table = cifar_resnet(depth, 10)
    assert (table.weights + table.biases).sum() / 1e6 == pytest.approx(millions, abs=0.012)
    assert table.topology.columns(Op.ADD).size == (depth - 2) // 2


def test_squeezenet_v11():
    """The authors' repository: 1.24 million parameters, 2.4 times less work than version 1.0."""
    table = squeezenet_v11(227, 1000)
    assert (table.weights + table.biases).sum() / 1e6 == pytest.approx(1.235, abs=0.01)
    # torchvision documents 0.35 GMAC for its squeezenet1_1 on 224 pixels.
    assert squeezenet_v11(224, 1000).macs.sum() / 1e9 == pytest.approx(0.35, abs=0.005)


@pytest.mark.parametrize("name", STANDARD_NETWORKS)
def test_layers_fit_together(name):
    """Each layer reads what an earlier one wrote, in the same shape."""
    layers = STANDARD_NETWORKS[name]().layers()
    first = layers[0]
    shapes = {0: (first.in_channels, first.in_size)}
    for layer in layers:
        for tensor in layer.inputs[:1] if layer.op == Op.CONCAT else layer.inputs:
            assert shapes[tensor] == (layer.in_channels, layer.in_size)
        if layer.op == Op.CONCAT:
            assert layer.out_channels == sum(shapes[tensor][0] for tensor in layer.inputs)
        shapes[layer.output] = (layer.out_channels, layer.out_size)
