"""Networks with a standard definition, and their rows of the package's ``layers.csv``.

Published measurements name these networks without listing their layers; here they are built from
their definitions. Tests hold their parameters against the Flash figures that were published, and
the rows of ``layers.csv`` against them.

python benchmarks/standard_networks.py
"""

from __future__ import annotations

import csv
import sys
from functools import partial
from typing import TYPE_CHECKING

from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable

if TYPE_CHECKING:
    from collections.abc import Callable


class _Stack:
    """Layers written one after the other; ``last`` is the tensor that the next one reads."""

    def __init__(self, size: tuple[int, int], channels: int) -> None:
        self.shapes = [(size, channels)]
        self.layers: list[Layer] = []
        self.last = 0

    def _write(
        self,
        op: Op,
        inputs: tuple[int, ...],
        size: tuple[int, int],
        channels: int,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
    ) -> int:
        before, read = self.shapes[inputs[0]]
        self.last = len(self.shapes)
        self.shapes.append((size, channels))
        name, sizes = f"{op.value}{self.last}", (kernel, (stride, stride), before, size)
        self.layers.append(Layer(name, op, inputs, self.last, "", read, channels, *sizes))
        return self.last

    def conv(
        self,
        channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        source: int | None = None,
        padded: bool = True,
    ) -> int:
        source = self.last if source is None else source
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        after = self._after(source, stride, (1, 1) if padded else kernel)
        return self._write(Op.CONV, (source,), after, channels, kernel, stride)

    def depthwise(self, stride: int = 1) -> int:
        after, channels = self._after(self.last, stride), self.shapes[self.last][1]
        return self._write(Op.DEPTHWISE, (self.last,), after, channels, (3, 3), stride)

    def max_pool(self) -> int:
        """3x3, stride 2, without padding."""
        after, channels = self._after(self.last, 2, (3, 3)), self.shapes[self.last][1]
        return self._write(Op.POOL, (self.last,), after, channels, (3, 3), 2)

    def dense(self, channels: int) -> int:
        return self._write(Op.DENSE, (self.last,), (1, 1), channels)

    def join(self, op: Op, first: int, second: int) -> int:
        size, channels = self.shapes[first]
        channels = channels + self.shapes[second][1] if op == Op.CONCAT else channels
        return self._write(op, (first, second), size, channels)

    def classify(self, classes: int, by: Op = Op.DENSE) -> LayerTable:
        """Global pool and classifier, a dense layer or a pointwise convolution."""
        if by == Op.CONV:
            self.conv(classes)
        self._write(Op.GLOBAL_POOL, (self.last,), (1, 1), self.shapes[self.last][1])
        if by == Op.DENSE:
            self.dense(classes)
        return LayerTable.of(self.layers)

    def _after(self, source: int, stride: int, window: tuple[int, int] = (1, 1)) -> tuple[int, int]:
        """Size after a window, which is 1 x 1 where padding makes up for the rest of it."""
        (height, width), _ = self.shapes[source]
        return (height - window[0]) // stride + 1, (width - window[1]) // stride + 1


def mobilenet_v1(width: float, size: int, channels: int, classes: int) -> LayerTable:
    """MobileNetV1 (Howard et al., 2017, table 1) with the given width multiplier."""
    stack = _Stack((size, size), channels)
    stack.conv(int(32 * width), 3, 2)
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    blocks += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for out, stride in blocks:
        stack.depthwise(stride)
        stack.conv(int(out * width))
    return stack.classify(classes)


def cifar_resnet(depth: int, classes: int) -> LayerTable:
    """ResNet v1 for 32x32 images (He et al., CVPR 2016, section 4.2); depth 8 is MLPerf Tiny's."""
    stack = _Stack((32, 32), 3)
    stack.conv(16, 3)
    for stage, width in enumerate((16, 32, 64)):
        # MLPerf Tiny's network has one block in each stage.
        for block in range(max((depth - 2) // 6, 1)):
            shortcut, stride = stack.last, 2 if stage > 0 and block == 0 else 1
            stack.conv(width, 3, stride)
            last = stack.conv(width, 3)
            if stride == 2:
                shortcut = stack.conv(width, 1, 2, source=shortcut)
            stack.join(Op.ADD, shortcut, last)
    return stack.classify(classes)


def squeezenet_v11(size: int, classes: int) -> LayerTable:
    """SqueezeNet 1.1 (Iandola et al., 2016, and the authors' repository)."""
    stack = _Stack((size, size), 3)
    stack.conv(64, 3, 2, padded=False)
    fires = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
    for number, (squeeze, expand) in enumerate(fires):
        if number in (0, 2, 4):
            stack.max_pool()
        squeezed = stack.conv(squeeze)
        first = stack.conv(expand, source=squeezed)
        stack.join(Op.CONCAT, first, stack.conv(expand, 3, source=squeezed))
    return stack.classify(classes, Op.CONV)


def ds_cnn() -> LayerTable:
    """DS-CNN of MLPerf Tiny's keyword spotting (Banbury et al., 2021), on 49x10 features."""
    stack = _Stack((49, 10), 1)
    stack.conv(64, (10, 4), 2)
    for _ in range(4):
        stack.depthwise()
        stack.conv(64)
    return stack.classify(12)


def autoencoder() -> LayerTable:
    """Dense autoencoder of MLPerf Tiny's anomaly detection (Banbury et al., 2021)."""
    stack = _Stack((1, 1), 640)
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128, 640):
        stack.dense(width)
    return LayerTable.of(stack.layers)


#: Networks of the tables of measurements, by the names used there.
STANDARD_NETWORKS: dict[str, Callable[[], LayerTable]] = {
    "mobilenetv1_a025_96x1_5": partial(mobilenet_v1, 0.25, 96, 1, 5),
    "mobilenetv1_a025_96x3_5": partial(mobilenet_v1, 0.25, 96, 3, 5),
    "mobilenetv1_a025_224x3_5": partial(mobilenet_v1, 0.25, 224, 3, 5),
    "mobilenetv1_a025_224x3_1000": partial(mobilenet_v1, 0.25, 224, 3, 1000),
    "mobilenetv1_a050_224x3_5": partial(mobilenet_v1, 0.5, 224, 3, 5),
    "mobilenetv1_a050_224x3_1000": partial(mobilenet_v1, 0.5, 224, 3, 1000),
    "mobilenetv1_a100_224x3_1000": partial(mobilenet_v1, 1.0, 224, 3, 1000),
    "mlperf_ic": partial(cifar_resnet, 8, 10),
    "mlperf_vww": partial(mobilenet_v1, 0.25, 96, 3, 2),
    "mlperf_kws": ds_cnn,
    "mlperf_ad": autoencoder,
    "resnet_v1_32_32_tfs": partial(cifar_resnet, 32, 100),
    "squeezenet_v11_128_v100": partial(squeezenet_v11, 128, 5),
    "squeezenet_v11_224_v100": partial(squeezenet_v11, 224, 5),
}


def main() -> None:
    """Print the rows."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    for name, build in STANDARD_NETWORKS.items():
        layers = build().layers()
        for layer in layers:
            inputs, last = " ".join(map(str, layer.inputs)), int(layer is layers[-1])
            read = (*layer.in_size, layer.in_channels)
            written = (*layer.out_size, layer.out_channels)
            head = (name, layer.output, layer.op.value, inputs, last)
            rows.writerow([*head, *read, *written, *layer.kernel, *layer.stride])


if __name__ == "__main__":
    main()
