"""Open shapes, shape arithmetic, and every way for a file to be no good."""

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_files import (
    CONV,
    WEIGHTS,
    mobilenet_v1,
    model,
    node,
    ops,
    save,
)

from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx_reader import read_onnx


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        (("n", 3, 8, 8), None, (8, 8, 3)),
        ((1, 3, "h", "w"), (3, 16, 12), (16, 12, 3)),
        (("n", 3, "h", "w"), (1, 3, 16, 12), (16, 12, 3)),
        ((1, 3, 8, 8), (3, 8, 8), (8, 8, 3)),
        (None, (3, 16, 12), (16, 12, 3)),
        ((-1, 3, -1, -1), (3, 16, 12), (16, 12, 3)),
    ],
)
def test_input_shape(read, declared, given, expected):
    (layer,) = read([CONV], declared, WEIGHTS, given)
    assert (*layer.in_size, layer.in_channels) == expected


@pytest.mark.parametrize(
    ("declared", "given", "message"),
    [
        ((1, 3, "h", "w"), None, r"'x'.*\(1, 3, \?, \?\).*--input-shape 3,96,96"),
        ((1, "c", "h", "w"), None, "--input-shape 3,96,96"),
        (("n", 1, 49, "t"), None, "--input-shape 1,49,96"),
        (None, None, "--input-shape 3,96,96"),
        ((2, 3, 8, 8), None, "batch of 2"),
        ((2, 3, 8, 8), (1, 3, 8, 8), "batch of 2"),
        (("n", 3, "h", "w"), (4, 3, 8, 8), "batch of 4"),
        ((1, 3, 8, 8), (3, 16, 16), r"\(1, 3, 16, 16\) does not agree .*\(1, 3, 8, 8\)"),
        ((1, 3, "h", "w"), (16, 16), "does not agree"),
        ((1, 3, "h", "w"), (3, 0, 16), "positive"),
        ((1, 3, "h", "w"), (), "positive"),
    ],
)
def test_shapes_that_do_not_do(read, declared, given, message):
    with pytest.raises(ValueError, match=message):
        read([CONV], declared, WEIGHTS, given)


def test_an_input_shape_that_does_not_fit_the_network(read):
    nodes = [CONV, node("Flatten", "c", "f"), node("Gemm", "f v", "y", "fc")]
    with pytest.raises(ValueError, match=r"Gemm \('fc'\) expects 256 features and reads 1024"):
        read(nodes, (1, 3, "h", "w"), WEIGHTS | {"v": (256, 10)}, (3, 16, 16))


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        ([node("ConvTranspose", "x w", "y", "up")], {}, r"'up'.* expects 4 channels and reads 3"),
        ([node("LSTM", "x w w", "y")], {}, r"LSTM \('y'\).*recurrent"),
        ([node("If", "x", "y", "if")], {}, r"If \('if'\)"),
        (
            [node("Einsum", "x x", "y", equation="abcd,abcd->a")],
            {},
            r"Einsum.*cost-model\.md lists",
        ),
        ([node("Attention", "x w b", "y", domain="com.microsoft")], {}, "com.microsoft.Attention"),
        ([node("Conv", "x w", "y", domain="my.own")], {}, "my.own.Conv"),
        ([node("FusedConv", "x w", "y", domain="com.microsoft")], {}, "graph optimisation"),
        ([node("MatMul", "k x", "y")], {"k": (8, 8)}, "second operand"),
        (
            [node("Relu", "x", "r"), node("Conv", "x r", "y", "dyn")],
            {},
            "'dyn'.*weights must",
        ),
        ([node("Pow", "x x", "y")], {}, "exponent must be constant"),
        ([node("Gather", "w x", "y", "embed")], {}, "'embed'"),
        ([node("Conv", "x k", "y", "c")], {"k": (4, 5, 3, 3)}, "expects 5 channels and reads 3"),
        (
            [node("Conv", "y w", "z", "early"), node("Relu", "x", "y"), node("Relu", "z", "o")],
            {},
            "'early'.*out of order",
        ),
    ],
)
def test_unsupported(read, nodes, constants, message):
    with pytest.raises(ValueError, match=r"net\.onnx: .*(" + message + ")"):
        read(nodes, constants=WEIGHTS | constants)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an ONNX file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX file"),
        (b"hello, this is no network\n" * 20, "not an ONNX file"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "no graph"),
        (
            helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString(),
            "no nodes",
        ),
    ],
)
def test_files_that_are_no_networks(tmp_path, content, message):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\.onnx: .*{message}"):
        read_onnx(path)


def test_a_file_cut_short(tmp_path):
    path = save(tmp_path / "cut.onnx", [CONV], constants=WEIGHTS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"cut\.onnx: not an ONNX file, or one that was cut short"):
        read_onnx(path)


def test_damaged_files_are_refused_or_read(tmp_path, rng):
    """Whatever happens to its bytes, a file is read or refused in a sentence."""
    nodes, constants, *_ = mobilenet_v1(size=32)
    nodes.insert(0, node("Constant", "", "unused", value_ints=[1, 2]))
    nodes[-2] = node("Reshape", "g r", "f")
    constants = constants | {"r": np.array([1, -1])}
    path = save(tmp_path / "n.onnx", nodes, (1, 3, 32, 32), constants)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    structure = np.flatnonzero(content)  # the weights are zeros
    refusals = []
    for _ in range(200):
        damaged = content.copy()
        places = rng.choice(structure, rng.integers(1, 4))
        damaged[places] = rng.integers(0, 256, len(places))
        path.write_bytes(damaged.tobytes())
        try:
            read_onnx(path)
        except ValueError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert all(refusal.startswith(str(path)) for refusal in refusals)


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read_onnx(tmp_path / "nowhere.onnx")


def test_weights_beside_the_file(tmp_path):
    whole = model([CONV], {"x": (1, 3, 8, 8)}, WEIGHTS)
    path = tmp_path / "n.onnx"
    onnx.save(
        whole,
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
        convert_attribute=False,
    )
    assert ops(read_onnx(path).layers()) == [Op.CONV]
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ValueError, match=r"n\.onnx: .*'weights\.bin'.*missing"):
        read_onnx(path)


def test_shapes_beside_the_file(tmp_path):
    """Constants of shape arithmetic are read even if they lie outside."""
    nodes = [node("Reshape", "x s", "r"), node("Gemm", "r w", "y")]
    whole = model(nodes, {"x": (1, 3, 8, 8)}, {"s": np.array([1, -1]), "w": (192, 5)})
    path = tmp_path / "n.onnx"
    onnx.save(whole, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert ops(read_onnx(path).layers()) == [Op.DENSE]


@pytest.mark.parametrize("inputs", [{}, {"x": (1, 3, 8, 8), "z": (1, 3, 8, 8)}])
def test_a_network_has_one_input(tmp_path, inputs):
    path = tmp_path / "n.onnx"
    nodes = [node("Add", "x z" if inputs else "w w", "y")]
    onnx.save(model(nodes, inputs, {} if inputs else WEIGHTS), path)
    with pytest.raises(ValueError, match="exactly one input.*" + ("'z'" if inputs else "none")):
        read_onnx(path)


def test_initialisers_may_be_listed_as_inputs(tmp_path):
    """As files with an IR version below 4 must have them."""
    path = tmp_path / "n.onnx"
    old = model([CONV], {"x": (1, 3, 8, 8), "w": (4, 3, 3, 3), "b": (4,)}, WEIGHTS, opset=7)
    old.ir_version = 3
    onnx.save(old, path)
    assert ops(read_onnx(path).layers()) == [Op.CONV]


def test_constants_alone_are_no_network(tmp_path):
    path = tmp_path / "n.onnx"
    onnx.save(model([node("Add", "w w", "y")], {"x": (1, 3)}, WEIGHTS), path)
    with pytest.raises(ValueError, match="no output depends on the input"):
        read_onnx(path)


def test_a_network_that_does_nothing(read):
    with pytest.raises(ValueError, match="without layers"):
        read([node("Flatten", "x", "y")])


def test_local_functions_are_inlined(tmp_path):
    """As the newer exporter of PyTorch writes its files."""
    opset = helper.make_opsetid("", 17)
    silu = helper.make_function(
        "local",
        "silu",
        ["a"],
        ["d"],
        [node("Sigmoid", "a", "s"), node("Mul", "a s", "d")],
        [opset],
    )
    whole = model([CONV, node("silu", "c", "y", domain="local")], {"x": (1, 3, 8, 8)}, WEIGHTS)
    whole.functions.append(silu)
    whole.opset_import.append(helper.make_opsetid("local", 1))
    onnx.save(whole, tmp_path / "n.onnx")
    layers = read_onnx(tmp_path / "n.onnx").layers()
    assert ops(layers) == [Op.CONV, Op.ELEMENTWISE]
