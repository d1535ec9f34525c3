"""The interface of mcu_nas.h, compiled for the machine of the tests."""

from __future__ import annotations

import ctypes
import re
from dataclasses import replace

import numpy as np
import pytest
from host_network import compile_for_host
from int8_networks import MEAN, STD, int8_model

from mcu_nas_moo.deployment.firmware.c_source import generate_c
from mcu_nas_moo.deployment.firmware.memory_map import memory_map
from mcu_nas_moo.deployment.firmware.package import FirmwareRequest, write_sources
from mcu_nas_moo.deployment.firmware.toolchain import Toolchain
from mcu_nas_moo.hardware.profile import load_profile

NAMES = (
    *("plain", 'with "quotes"', "back\\slash", "Käfer", "猫", "cat 🐱", "new\nline", "what??/"),
    *("bell\a", "12345"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    found = int8_model(tmp_path_factory.mktemp("model"), "mbconv-stage", "smallest")
    return replace(found, class_names=NAMES)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    profile = load_profile("cortex-m7")
    request = FirmwareRequest(model, profile, Toolchain("gcc", (), ""))
    target = tmp_path_factory.mktemp("sources") / "firmware"
    source = generate_c(model.model)
    write_sources(source, memory_map(profile.device), request, target)
    return target


@pytest.fixture(scope="module")
def library(folder):
    sources = [folder / name for name in ("mcu_nas.c", "mcu_nas_model.c", "mcu_nas_model_data.c")]
    found = compile_for_host(folder, *sources, flags=("-std=c11", f"-I{folder}"))
    found.mcu_nas_input.restype = found.mcu_nas_run.restype = ctypes.POINTER(ctypes.c_int8)
    found.mcu_nas_init()
    return found


def outputs_of(library):
    return np.ctypeslib.as_array(library.mcu_nas_run(), (len(NAMES),)).copy()


def test_images_go_in_by_rows_of_colours_and_scores_come_out(library, model):
    channels, height, width = model.input_shape
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, channels, height, width)).astype(np.uint8)
    expected = model.run(model.preprocessing(pixels))
    for image, scores in zip(pixels, expected, strict=True):
        rgb = np.ascontiguousarray(image.transpose(1, 2, 0))
        library.mcu_nas_set_image(ctypes.c_void_p(rgb.ctypes.data))
        np.testing.assert_array_equal(outputs_of(library), scores)
        for y in range(height):
            library.mcu_nas_set_row(y, ctypes.c_void_p(rgb[y].ctypes.data))
        np.testing.assert_array_equal(outputs_of(library), scores)


def test_those_who_quantise_by_themselves_write_the_input(library, model):
    values = np.random.default_rng(1).integers(-128, 128, model.input_shape).astype(np.int8)
    given = np.ctypeslib.as_array(library.mcu_nas_input(), (values.size,))
    given[:] = values.ravel()
    np.testing.assert_array_equal(outputs_of(library), model.run(values[None])[0])


@pytest.mark.parametrize(
    "scores", [[0] * 10, [-128, -5, -5, *[-9] * 7], [*[3] * 9, 4], [127, *[1] * 9]]
)
def test_the_class_is_the_first_of_the_highest_scores(library, scores):
    given = np.array(scores, np.int8)
    found = library.mcu_nas_class(ctypes.c_void_p(given.ctypes.data))
    assert found == given.argmax()


def test_class_names_are_kept_byte_by_byte(library):
    names = (ctypes.c_char_p * len(NAMES)).in_dll(library, "mcu_nas_class_names")
    assert [name.decode() for name in names] == list(NAMES)


def test_the_header_says_how_numbers_are_meant(folder, model):
    header = (folder / "mcu_nas.h").read_text()

    def numbers(name):
        (line,) = re.findall(rf"#define MCU_NAS_{name} (.*)", header)
        return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", line)]

    assert numbers("INPUT_MEAN") == list(MEAN)
    assert numbers("INPUT_STD") == list(STD)
    assert numbers("INPUT_SCALE") == [model.preprocessing.scale]
    assert numbers("INPUT_ZERO_POINT") == [model.preprocessing.zero_point]
    assert numbers("OUTPUT_SCALE") == [model.output_scale]
    assert numbers("OUTPUT_ZERO_POINT") == [model.output_zero_point]
