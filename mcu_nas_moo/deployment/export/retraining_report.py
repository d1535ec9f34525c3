"""What a retraining has brought: accuracies side by side, as a file and as a table."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from rich.table import Table

from mcu_nas_moo.data.image_folders import balanced_sample
from mcu_nas_moo.deployment.export.subnet_export import ExportSettings
from mcu_nas_moo.training.subnet.fake_quantisation import Int8Simulation, calibrated, known_ranges
from mcu_nas_moo.training.subnet.weights import shared_weights
from mcu_nas_moo.training.supernet.supernet import EVALUATION_BATCH, accuracy

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.data.images import Images, Normalisation
    from mcu_nas_moo.networks.torch_module import SubnetModule
    from mcu_nas_moo.training.subnet.trainer import Retrainer
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

#: What the weights of a report are, by name.
WEIGHTS = {"shared": "shared", "float": "retrained", "qat": "quantisation-aware"}
#: How int8 figures come about: by the int8 network that is exported, or by its imitation.
ONNXRUNTIME, SIMULATION = "onnxruntime", "simulation in float32 (onnxruntime is not installed)"


def report_on(trainer: Retrainer, supernet: TrainedSupernet | None = None) -> dict[str, Any]:
    """Accuracies of a finished retraining on the validation and, if there are any, test images.

    The int8 figures are those of the networks that ``mcu-nas export`` makes by default, calibrated
    on the same images.

    Args:
        trainer: at its last epoch.
        supernet: whose shared weights to compare with; left out if it tells another number of
            classes apart.

    Returns:
        ``subnet``; ``images`` (number by split); ``accuracy`` (share of correct answers in [0, 1],
        by weights (those that apply of :data:`WEIGHTS`), ``float`` or ``int8``, and split);
        ``int8`` (:data:`ONNXRUNTIME` or :data:`SIMULATION`); ``history`` (validation accuracy
        after each epoch); ``training``.
    """
    images, classes = trainer.images, trainer.subnet.classes
    test = images.test()
    splits = {"validation": images.validation} | ({"test": test} if test is not None else {})
    result = trainer.result()
    calibration = export_calibration(images.train)
    accuracies = partial(_accuracies, calibration=calibration, splits=splits)
    figures = {}
    if supernet is not None and supernet.classes == classes:
        shared = shared_weights(trainer.subnet, images.train, images.class_names, supernet)
        figures["shared"] = accuracies(shared.module, None, normalise=shared.normalise)
    figures["float"] = accuracies(trainer.float_network(), None, normalise=trainer.normalise)
    if result.ranges is not None:
        figures["qat"] = accuracies(result.module, result.ranges, normalise=trainer.normalise)
    numbers = {split: len(part) for split, part in splits.items()}
    return {
        "subnet": result.subnet.model_dump(mode="json", exclude_none=True),
        "images": {"train": len(images.train), **numbers},
        "accuracy": figures,
        "int8": ONNXRUNTIME if _has_onnxruntime() else SIMULATION,
        "history": trainer.history,
        "training": result.training,
    }


def export_calibration(train: Images) -> Images:
    """The training images that ``mcu-nas export`` calibrates on by default; all if too few."""
    settings = ExportSettings()
    targets = train.targets.cpu().numpy()
    rows = balanced_sample(targets, settings.calibration_images, settings.seed)
    return train[torch.from_numpy(rows)]


def _accuracies(
    module: SubnetModule,
    ranges: dict[str, tuple[float, float]] | None,
    calibration: Images,
    splits: Mapping[str, Images],
    normalise: Normalisation,
) -> dict[str, dict[str, float]]:
    """Float and int8 accuracy by split; without ``ranges`` they come from calibration images."""
    floats = {split: accuracy(module, part, normalise) for split, part in splits.items()}
    if not _has_onnxruntime():
        simulation = (
            Int8Simulation(module, ranges) if ranges else calibrated(module, calibration, normalise)
        )
        integers = {split: accuracy(simulation, part, normalise) for split, part in splits.items()}
        return {"float": floats, "int8": integers}
    from mcu_nas_moo.deployment.export.int8_model import session
    from mcu_nas_moo.networks.onnx_writer import INPUT

    network = session(int8_network(module, ranges, calibration, normalise))
    integers = {}
    for split, images in splits.items():
        correct = 0
        for batch in images.batches(EVALUATION_BATCH):
            (logits,) = network.run(None, {INPUT: _inputs(module, batch, normalise)})
            correct += int((logits.argmax(1) == batch.targets.cpu().numpy()).sum())
        integers[split] = correct / len(images)
    return {"float": floats, "int8": integers}


def int8_network(
    module: SubnetModule,
    ranges: dict[str, tuple[float, float]] | None,
    calibration: Images,
    normalise: Normalisation,
) -> onnx.ModelProto:
    """The int8 network as ``mcu-nas export`` makes it."""
    from mcu_nas_moo.deployment.export.quantise import quantise
    from mcu_nas_moo.networks.onnx_writer import to_onnx

    seen = _inputs(module, calibration, normalise)
    return quantise(to_onnx(module), seen, known_ranges(normalise, ranges))


def _inputs(module: SubnetModule, images: Images, normalise: Normalisation) -> FloatArray:
    from mcu_nas_moo.data import preprocessing

    pixels = preprocessing.pixels_at(images, module.layers[0].in_size[0])
    return preprocessing.normalise(pixels, normalise.mean, normalise.std)


def _has_onnxruntime() -> bool:
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def accuracy_table(report: dict[str, Any]) -> Table:
    """The accuracies of a report, in at most 100 columns."""
    splits = [split for split in report["images"] if split != "train"]
    table = Table(
        title=f"Accuracy of {report['subnet']['name']}", caption=f"int8: by {report['int8']}"
    )
    table.add_column("weights")
    for split in splits:
        for arithmetic in ("float", "int8"):
            label = f"{arithmetic}, {report['images'][split]:,}\n{split} images"
            table.add_column(label, justify="right")
    for weights, figures in report["accuracy"].items():
        shares = [figures[kind][split] for split in splits for kind in ("float", "int8")]
        table.add_row(WEIGHTS[weights], *(f"{share:.2%}" for share in shares))
    return table
