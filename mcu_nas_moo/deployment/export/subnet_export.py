"""One subnet as float and int8 ONNX, with a report on both."""

from __future__ import annotations

import platform
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.common.files import checksum
from mcu_nas_moo.deployment.export.export_report import (
    CalibrationFacts,
    ExportReport,
    FileFacts,
    Outcome,
    Quantisation,
    TestFacts,
)
from mcu_nas_moo.deployment.export.int8_model import (
    Description,
    read_int8_model,
    session,
    write_int8_model,
)
from mcu_nas_moo.deployment.export.quantise import quantise
from mcu_nas_moo.networks.onnx_writer import INPUT, to_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import onnx

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.data.preprocessing import Pixels
    from mcu_nas_moo.deployment.export.export_inputs import Samples
    from mcu_nas_moo.deployment.export.int8_model import Int8Model, WeightsKind
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.networks.torch_module import SubnetModule
    from mcu_nas_moo.spaces.subnet_file import SubnetFile
    from mcu_nas_moo.training.subnet.weights import RetrainedSubnet

FLOAT_ONNX, INT8_ONNX, REPORT = "float.onnx", "int8.onnx", "report.json"
FLOAT_TFLITE, INT8_TFLITE = "float.tflite", "int8.tflite"
_OUTPUTS = (FLOAT_ONNX, INT8_ONNX, FLOAT_TFLITE, INT8_TFLITE, REPORT)
_PACKAGES = ("mcu-nas-moo", "numpy", "onnx", "onnxruntime", "torch")
_BATCH = 256
# Of the largest logit. Float sums in another order differ by some 1e-6; a wrong layer by far more.
_FLOAT_TOLERANCE = 1e-3
_TFLITE_PACKAGES = ("ai-edge-litert", "ai-edge-quantizer", "litert-torch")


@dataclass(frozen=True)
class ExportSettings:
    """What an export does.

    Attributes:
        calibration_images: training images that show the ranges of activations.
        test_images: images of the test split to check on, all if there are fewer; without a test
            split, of the validation images.
        tflite: whether to write ``.tflite`` files too.
    """

    calibration_images: int = 256
    test_images: int = 2000
    tflite: bool = False
    seed: int = 0


def export_subnet(
    subnet: SubnetFile,
    data: Path,
    folder: DeploymentFolder,
    settings: ExportSettings,
    weights: Path | None = None,
    supernet: Path | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> ExportReport:
    """Write ``float.onnx``, ``int8.onnx`` and ``report.json`` to the export folder.

    Args:
        data: image folder with ``train`` and, for final figures, ``test``.
        weights: retrained weights; those of the deployment folder if none are given, and those
            shared with the supernet if there are none either.
        supernet: use the shared weights in this file in any case; ``shipped`` for those of
            CIFAR-10.
        say: is told what is going on.

    Raises:
        InputError: if a package is missing, images are too few or of other classes than the
            weights, weights are damaged or of another subnet, the network cannot be quantised, or
            the export folder is a file. Nothing is written then.
    """
    if folder.export.exists() and not folder.export.is_dir():
        raise InputError(f"{folder.export} is a file; remove it, or choose another --out")
    require("onnxruntime", "export")
    if settings.tflite:
        from mcu_nas_moo.deployment.export.tflite import require_packages

        require_packages()
    from mcu_nas_moo.deployment.export.export_inputs import ExportData, weights_file

    path = weights_file(folder, weights, supernet)
    say("reading images")
    images = ExportData(data)
    samples = images.samples(settings.calibration_images, settings.test_images, settings.seed)
    say("reading weights")
    trained = images.weights(subnet, path, supernet)
    with _filled_at_once(folder.export) as partial:
        kind: WeightsKind = "shared" if path is None else "retrained"
        report = _export(trained, kind, samples, settings, partial, say)
        text = report.model_dump_json(indent=2) + "\n"
        (partial / REPORT).write_text(text, encoding="utf-8")
    return report


def _export(
    trained: RetrainedSubnet,
    kind: WeightsKind,
    samples: Samples,
    settings: ExportSettings,
    folder: Path,
    say: Callable[[str], object],
) -> ExportReport:
    from mcu_nas_moo.data.preprocessing import normalise, pixels_at
    from mcu_nas_moo.deployment.export import host_arithmetic
    from mcu_nas_moo.training.subnet.fake_quantisation import known_ranges

    module, norm = trained.module.cpu(), trained.normalise
    description = Description(
        subnet=trained.subnet,
        mean=norm.mean,
        std=norm.std,
        classes=trained.class_names,
        weights=kind,
    )
    resolution = module.layers[0].in_size[0]
    test_pixels = pixels_at(samples.test, resolution)
    test_inputs = normalise(test_pixels, norm.mean, norm.std)
    calibration_inputs = normalise(pixels_at(samples.calibration, resolution), norm.mean, norm.std)
    targets = samples.test.targets.numpy()

    say("writing float.onnx and comparing it with torch")
    float_model = to_onnx(module)
    (folder / FLOAT_ONNX).write_bytes(float_model.SerializeToString())
    truth = torch_logits(module, test_inputs)
    float_logits = onnx_logits(float_model, test_inputs)
    check_float(float_logits, truth)
    outcomes = [
        compare("torch", truth, truth, targets),
        compare(FLOAT_ONNX, float_logits, truth, targets),
    ]

    def int8_outcome(name: str, model: onnx.ModelProto, path: Path) -> Outcome:
        write_int8_model(model, description, path)
        logits = int8_logits(read_int8_model(path), test_pixels)
        return compare(name, logits, truth, targets)

    say("quantising and comparing int8.onnx with torch")
    model = quantise(float_model, calibration_inputs, known_ranges(norm, trained.ranges))
    outcomes.append(int8_outcome(INT8_ONNX, model, folder / INT8_ONNX))
    if trained.ranges is not None:
        by_images = quantise(float_model, calibration_inputs, known_ranges(norm, None))
        unwanted = folder / "by-images.onnx"
        outcomes.append(int8_outcome("int8, ranges of images", by_images, unwanted))
        unwanted.unlink()
    if settings.tflite:
        from mcu_nas_moo.deployment.export.tflite import write_tflite

        say("writing .tflite files and comparing them with torch")
        files = {name: folder / name for name in (FLOAT_TFLITE, INT8_TFLITE)}
        logits_of = write_tflite(module, calibration_inputs, test_inputs, *files.values())
        outcomes += [
            compare(name, logits, truth, targets)
            for name, logits in zip(files, logits_of, strict=True)
        ]

    int8 = read_int8_model(folder / INT8_ONNX)
    return ExportReport(
        subnet=description.subnet,
        weights=description.weights,
        training=trained.training,
        class_names=description.classes,
        calibration=CalibrationFacts(
            images=len(samples.calibration),
            ranges="calibration images"
            if trained.ranges is None
            else "quantisation-aware training",
        ),
        test=TestFacts(split=samples.split, images=len(samples.test)),
        seed=settings.seed,
        outcomes=tuple(outcomes),
        input=Quantisation(
            scale=int8.preprocessing.scale, zero_point=int8.preprocessing.zero_point
        ),
        output=Quantisation(scale=int8.output_scale, zero_point=int8.output_zero_point),
        operators=dict(Counter(node.op_type for node in int8.model.graph.node)),
        files={
            path.name: FileFacts(bytes=path.stat().st_size, sha256=checksum(path))
            for path in sorted(folder.iterdir())
        },
        versions=_versions(_PACKAGES + (_TFLITE_PACKAGES if settings.tflite else ())),
        warnings=tuple(_warnings(description, samples.split, host_arithmetic.warning())),
    )


def torch_logits(module: SubnetModule, inputs: FloatArray) -> FloatArray:
    """Logits ``(N, classes)`` of the torch module for ``inputs`` ``(N, channels, H, W)``."""
    import torch

    with torch.inference_mode():
        parts = [module(torch.from_numpy(batch)).numpy() for batch in _batches(inputs)]
    return np.concatenate(parts)


def onnx_logits(model: onnx.ModelProto, inputs: FloatArray) -> FloatArray:
    """Logits ``(N, classes)`` of a model with float input and output, by onnxruntime."""
    run = session(model).run
    return np.concatenate([run(None, {INPUT: batch})[0] for batch in _batches(inputs)])


def int8_logits(model: Int8Model, pixels: Pixels) -> FloatArray:
    """Logits ``(N, classes)`` that the int8 outputs for uint8 pixels stand for."""
    outputs = model.run(model.preprocessing(pixels)).astype(np.float64)
    return model.output_scale * (outputs - model.output_zero_point)


def compare(network: str, logits: FloatArray, truth: FloatArray, targets: IntArray) -> Outcome:
    """How ``logits`` of a network do, next to the ``truth`` of torch; all ``(N, classes)``."""
    classes = logits.argmax(axis=1)
    differences = np.abs(logits - truth)
    return Outcome(
        network=network,
        accuracy=float((classes == targets).mean()),
        same_class=float((classes == truth.argmax(axis=1)).mean()),
        mean_difference=float(differences.mean()),
        largest_difference=float(differences.max()),
    )


def check_float(logits: FloatArray, truth: FloatArray) -> None:
    """Raise an InputError if the float ONNX file does not compute what torch does."""
    difference, largest = float(np.abs(logits - truth).max()), float(np.abs(truth).max())
    # Written so that NaN is caught too.
    if not difference <= _FLOAT_TOLERANCE * max(largest, 1):
        raise InputError(
            f"the float ONNX network differs from torch by {difference:.2g} in logits up to "
            f"{largest:.2g}; the installed versions of torch, onnx and onnxruntime may not fit "
            "together"
        )


def _batches(inputs: FloatArray) -> Iterator[FloatArray]:
    for start in range(0, len(inputs), _BATCH):
        yield inputs[start : start + _BATCH]


def _warnings(description: Description, split: str, about_host: str | None) -> Iterator[str]:
    if description.weights == "shared":
        yield (
            "these are the supernet's shared weights; `mcu-nas retrain` trains the subnet itself, "
            "which is more accurate"
        )
    if split == "validation":
        yield (
            "there is no test split, so the figures are of validation images, which searches may "
            "have seen"
        )
    if about_host is not None:
        yield about_host


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # our own, run from a checkout
            continue
    return versions


@contextmanager
def _filled_at_once(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files are moved to ``folder`` when the block has succeeded.

    Files of an earlier export that are not made anew are removed, others are left alone.
    """
    # In what exists already, so that a failure leaves no empty folders behind.
    anchor = next(parent for parent in folder.absolute().parents if parent.is_dir())
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=anchor) as name:
        partial = Path(name)
        yield partial
        folder.mkdir(parents=True, exist_ok=True)
        for output in _OUTPUTS:
            if (partial / output).exists():
                (partial / output).replace(folder / output)
            else:
                (folder / output).unlink(missing_ok=True)
