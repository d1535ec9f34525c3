"""Subnets as ``.tflite`` files, by the converter and the quantiser of LiteRT (extra ``tflite``)."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.extras import require

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.networks.torch_module import SubnetModule

_EXTRA = "tflite"
_PACKAGES = ("litert_torch", "ai_edge_quantizer", "ai_edge_litert")
# What litert_torch calls the only entry point of a module.
_SIGNATURE = "serving_default"


def require_packages() -> None:
    """Raise an InputError with the install command if the extra ``tflite`` is not installed."""
    for package in _PACKAGES:
        require(package, _EXTRA)


def write_tflite(
    module: SubnetModule,
    calibration: FloatArray,
    images: FloatArray,
    float_path: Path,
    int8_path: Path,
) -> tuple[FloatArray, FloatArray]:
    """Write the network in float and in int8, and run both.

    Both take one image with the channels last, as runtimes for microcontrollers do. Weights are
    int8 with a scale per channel, activations int8, input and output too.

    Args:
        calibration: images that show the ranges of activations, ``(N, channels, height, width)``.
        images: to run both on, of the same form.

    Returns:
        logits ``(N, classes)`` of the float and of the int8 file.
    """
    litert_torch = require("litert_torch", _EXTRA)
    quantizers = require("ai_edge_quantizer.quantizer", _EXTRA)
    recipe = require("ai_edge_quantizer.recipe", _EXTRA).static_wi8_ai8()
    import torch

    channels_last = litert_torch.to_channel_last_io(module, args=[0]).eval()
    sample = torch.from_numpy(_channels_last(calibration[:1]))
    # The packages tell at length what they do.
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        litert_torch.convert(channels_last, (sample,)).export(str(float_path))
        quantizer = quantizers.Quantizer(str(float_path))
        quantizer.load_quantization_recipe(recipe)
        ranges = _ranges(float_path, recipe, calibration)
        quantizer.quantize(ranges).export_model(str(int8_path), overwrite=True)
    return run_tflite(float_path, images), run_tflite(int8_path, images)


def _ranges(path: Path, recipe: Any, calibration: FloatArray) -> Any:
    """Extremes of every tensor, as for ``int8.onnx``.

    The quantiser's own calibration takes moving averages of them, which cut off what only some
    images show.
    """
    calibrators = require("ai_edge_quantizer.calibrator", _EXTRA)
    statistics = require("ai_edge_quantizer.utils.qsv_utils", _EXTRA)
    recipes = require("ai_edge_quantizer.recipe_manager", _EXTRA).RecipeManager()
    recipes.load_quantization_recipe(recipe)
    (name,) = _interpreter(path).get_signature_list()[_SIGNATURE]["inputs"]
    rows = [{name: _channels_last(image[None])} for image in calibration]
    calibrator = calibrators.Calibrator(
        str(path), num_threads=1, qsv_update_func=statistics.min_max_update
    )
    calibrator.calibrate({_SIGNATURE: rows}, recipes)
    return calibrator.get_model_qsvs()


def run_tflite(path: Path, images: FloatArray) -> FloatArray:
    """Logits ``(N, classes)`` of a ``.tflite`` file for ``images`` ``(N, channels, H, W)``.

    Float images are quantised, and int8 outputs turned back, by what the file says of them.
    """
    interpreter = _interpreter(path)
    interpreter.allocate_tensors()
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for image in images:
        values = _channels_last(image[None])
        if given["dtype"] == np.int8:
            scale, zero_point = given["quantization"]
            values = np.clip(np.rint(values / scale) + zero_point, -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], values)
        interpreter.invoke()
        output = interpreter.get_tensor(result["index"])[0]
        if result["dtype"] == np.int8:
            scale, zero_point = result["quantization"]
            output = scale * (output.astype(np.float32) - zero_point)
        outputs.append(output)
    return np.stack(outputs)


def _interpreter(path: Path) -> Any:
    return require("ai_edge_litert.interpreter", _EXTRA).Interpreter(
        model_path=str(path), num_threads=1
    )


def _channels_last(images: FloatArray) -> FloatArray:
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))
