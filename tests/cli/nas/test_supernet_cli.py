"""The command mcu-nas, from images to a predictor and a model card, on a tiny image folder."""

import numpy as np
import pytest
from click.testing import CliRunner

from mcu_nas_moo import spaces
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec
from mcu_nas_moo.training.supernet import shipped_files as artifacts
from mcu_nas_moo.training.supernet.labels import Labels
from mcu_nas_moo.training.supernet.weights import TrainedSupernet


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_bad_input_is_one_line_and_exit_code_2(tmp_path):
    for arguments, message in (
        (("supernet", "train", "--data", tmp_path), "expected an image folder"),
        (("supernet", "train", "--data", tmp_path, "--space", "mbconv"), "unknown space 'mbconv'"),
        (("supernet", "label", "--data", tmp_path, "--supernet", tmp_path / "w"), "is missing"),
        (("predictor", "fit", "--labels", tmp_path / "l"), "mcu-nas supernet label"),
        (("supernet", "train", "--data", tmp_path, "--device", "tpu"), "cpu, cuda or auto"),
    ):
        output = run(*arguments, exit_code=2)
        assert message in output
        assert len(output.strip().splitlines()) == 1


def test_help_names_every_command():
    output = run("--help") + run("supernet", "--help")
    for command in ("supernet", "predictor", "model-card", "train", "label", "evaluate", "rank"):
        assert command in output


@pytest.fixture(scope="module")
def folder(image_folder, small_spec, tmp_path_factory):
    """Everything that the package ships, remade for spaces of small networks."""
    out = tmp_path_factory.mktemp("artifacts")

    def load_small_space(name, classes=None):
        facts = {"name": name, "granularity": "block", "classes": classes or 10}
        return MBConvSpace(MBConvSpec.model_validate(small_spec | facts))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "FOLDER", out)
        patch.setattr(artifacts, "CHECKSUMS", out / "checksums.json")
        patch.setattr(spaces, "load_space", load_small_space)
        patch.setattr(spaces, "list_spaces", lambda: ["one", "two"])
        data = ("--data", image_folder)
        # Few epochs: subnets that all know everything would have equal labels.
        training = ("--epochs", 3, "--batch-size", 12, "--learning-rate", 0.02)
        run("supernet", "train", *data, "--out", out, *training)
        run("supernet", "label", *data, "--out", out / "labels.csv", "--subnets", 12)
        run("supernet", "evaluate", *data, "--out", out / "evaluation.csv", "--random", 1)
        rank = ("--subnets", 3, "--epochs", 1)
        run("supernet", "rank", *data, "--out", out / "ranking.csv", *rank)
        fit = run("predictor", "fit", "--out", out / "predictor.safetensors")
        card = run("model-card", "--out", out / "MODEL_CARD.md")
        yield out, fit, card


def test_each_command_leaves_its_file(folder):
    out, fit, _ = folder
    names = {path.name for path in out.iterdir()}
    assert names >= {
        "supernet.safetensors",
        "labels.csv",
        "evaluation.csv",
        "ranking.csv",
        "predictor.safetensors",
        "MODEL_CARD.md",
        "checksums.json",
    }
    assert "Kendall's tau" in fit


def test_labels_and_predictor_cover_both_spaces(folder):
    out, _, _ = folder
    labels = Labels.load(out / "labels.csv")
    predictor = AccuracyPredictor.load(out / "predictor.safetensors")
    for space in TrainedSupernet.load(out / "supernet.safetensors").spaces:
        X = labels.genotypes(space)
        assert len(np.unique(X, axis=0)) == 12
        accuracy = predictor.predict(space, X).accuracy
        assert ((accuracy >= 0) & (accuracy <= 1)).all()


def test_model_card_holds_the_figures_of_the_files(folder):
    out, _, _ = folder
    card = (out / "MODEL_CARD.md").read_text()
    labels = Labels.load(out / "labels.csv")
    assert f"{len(labels)} subnets, each evaluated on the 12 validation images" in card
    assert "on 108 images" in card
    details = AccuracyPredictor.load(out / "predictor.safetensors").details
    for row in filter(lambda row: isinstance(row, dict), details.values()):
        assert f"| {row['kendall_tau']:.3f} |" in card
    assert "{" not in card
