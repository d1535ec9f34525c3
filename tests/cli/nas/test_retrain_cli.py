"""``mcu-nas retrain`` with the shipped supernet, on images of two classes."""

import json
import shutil

import pytest
from click.testing import CliRunner

from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.export import retraining_report as reports
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.spaces.subnet_file import SubnetFile, read_subnet, write_subnet
from mcu_nas_moo.training.subnet import trainer as training
from mcu_nas_moo.training.subnet.weights import RetrainedSubnet
from mcu_nas_moo.training.supernet.weights import TrainedSupernet

QUICK = ("--epochs", 1, "--qat-epochs", 1, "--batch-size", 27, "--device", "cpu")


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def subnet(tmp_path):
    space = load_space("mbconv-stage")
    (smallest,) = space.decode(space.smallest)
    path = tmp_path / "smallest.yaml"
    write_subnet(SubnetFile(name="smallest", space=space.name, genes=smallest.values), path)
    return path


@pytest.fixture(scope="module")
def shipped():
    return TrainedSupernet.load()


@pytest.fixture(autouse=True)
def read_once(monkeypatch, shipped):
    load = TrainedSupernet.load.__func__
    monkeypatch.setattr(
        TrainedSupernet,
        "load",
        classmethod(
            lambda cls, path=None, device="cpu": load(cls, path, device) if path else shipped
        ),
    )


def run(*arguments):
    return CliRunner().invoke(main, ["retrain", *map(str, arguments)])


def refused(result, *words):
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_a_run_leaves_weights_report_and_table(subnet, image_folder, tmp_path):
    result = run(subnet, "--data", image_folder, "--no-distil", *QUICK)
    assert result.exit_code == 0, result.output
    assert "all its weights are used but those of the classifier" in " ".join(result.output.split())
    *lines, last = result.output.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert last.startswith(f"Next: mcu-nas export {subnet}")
    folder = tmp_path / "deploy" / "smallest" / "retrained"
    report = json.loads((folder / "report.json").read_text())
    assert report["images"] == {"train": 108, "validation": 12, "test": 40}
    # The supernet's ten classes are others.
    assert set(report["accuracy"]) == {"float", "qat"}
    loaded = RetrainedSubnet.load(folder / "weights.safetensors", read_subnet(subnet))
    assert loaded.class_names == ("blue", "red")
    assert loaded.subnet.classes == 2
    assert loaded.training["accuracy"] == report["accuracy"]
    assert f"{report['accuracy']['qat']['int8']['test']:.2%}" in result.output

    again = run(subnet, "--data", image_folder, "--no-distil", *QUICK)
    assert again.exit_code == 0
    assert "Continuing after epoch 2 of 2." in again.output
    assert json.loads((folder / "report.json").read_text())["accuracy"] == report["accuracy"]

    other = run(subnet, "--data", image_folder, "--no-distil", *QUICK, "--seed", 5)
    refused(other, "deploy/smallest/retrained", "seed was 0, not 5", "--out")


def test_stopped_by_the_user(subnet, image_folder, tmp_path, monkeypatch):
    train_epoch = training.Retrainer.train_epoch

    def stop_in_the_second(self, writer, advance):
        if self.epoch == 1:
            raise KeyboardInterrupt
        train_epoch(self, writer, advance)

    arguments = (subnet, "--data", image_folder, "--from", "scratch", "--no-distil", *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(training.Retrainer, "train_epoch", stop_in_the_second)
        result = run(*arguments)
    assert result.exit_code == 130
    assert "the same command continues" in result.stderr
    folder = tmp_path / "deploy" / "smallest" / "retrained"
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "weights.safetensors").exists()
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "Continuing after epoch 1 of 2." in result.output
    assert (folder / "weights.safetensors").exists()


def test_a_teacher_of_other_classes_is_refused(subnet, image_folder):
    refused(run(subnet, "--data", image_folder, *QUICK), "10 classes", "have 2", "--no-distil")


def test_weights_are_kept_if_the_measurement_fails(subnet, image_folder, tmp_path, monkeypatch):
    def fail(*arguments):
        raise InputError("no measurement")

    monkeypatch.setattr(reports, "report_on", fail)
    refused(run(subnet, "--data", image_folder, "--no-distil", *QUICK), "no measurement")
    folder = tmp_path / "deploy" / "smallest" / "retrained"
    assert RetrainedSubnet.load(folder / "weights.safetensors").class_names == ("blue", "red")


def test_a_damaged_test_image_is_found_before_training(subnet, image_folder, tmp_path):
    shutil.copytree(image_folder, tmp_path / "images")
    (tmp_path / "images" / "test" / "red" / "003.png").write_bytes(b"nothing")
    result = run(subnet, "--data", tmp_path / "images", "--no-distil", *QUICK)
    refused(result, "cannot decode image", "003.png")
    assert not (tmp_path / "deploy").exists()


def test_missing_and_wrong_images(subnet, image_folder, tmp_path):
    refused(run(subnet, "--data", tmp_path / "none", *QUICK), "no folder", "train/<class>/<image>")
    refused(
        run(subnet, "--data", image_folder, "--no-distil", *QUICK, "--batch-size", 500),
        "108 training images",
        "--batch-size",
    )
    shutil.copytree(image_folder, tmp_path / "images")
    (tmp_path / "images" / "test" / "red").rename(tmp_path / "images" / "test" / "rouge")
    refused(run(subnet, "--data", tmp_path / "images", *QUICK), "other class folders")
    assert not (tmp_path / "deploy").exists()


def test_wrong_subnet_files(subnet, image_folder, tmp_path):
    refused(run(tmp_path / "none.yaml", "--data", image_folder), "no subnet file")
    text = subnet.read_text()
    subnet.write_text(text.replace("mbconv-stage", "mbconv-none"))
    refused(run(subnet, "--data", image_folder), "mbconv-none")
    subnet.write_text(text.replace("stem: 8", "stem: 9"))
    refused(run(subnet, "--data", image_folder), "stem = 9")


@pytest.mark.parametrize(
    ("data", "warns"),
    [("CIFAR-10 (predicted)", True), ("{} (predicted)", False), (None, False)],
)
def test_pictures_that_the_accuracy_is_not_of_are_told(subnet, image_folder, data, warns):
    chosen = read_subnet(subnet)
    data = data and data.format(image_folder.name)
    write_subnet(chosen.model_copy(update={"data": data}), subnet)
    result = run(subnet, "--data", image_folder, "--no-distil", *QUICK)
    assert result.exit_code == 0, result.output
    note = "is of CIFAR-10 (predicted); these pictures, images, have the classes blue, red"
    assert (note.replace("images", image_folder.name) in result.stderr) is warns


def test_wrong_options(subnet, image_folder, tmp_path):
    assert run(subnet, "--data", image_folder, "--epochs", 0).exit_code == 2
    refused(run(subnet, "--data", image_folder, "--learning-rate", -1), "learning rate", "above 0")
    refused(run(subnet, "--data", image_folder, "--ema", 1), "ema must be in [0, 1)")
    refused(run(subnet, "--data", image_folder, "--device", "tpu"), "tpu")
    weights = tmp_path / "weights.safetensors"
    refused(run(subnet, "--data", image_folder, "--supernet", weights), "is missing")
    weights.write_bytes(b"nothing")
    refused(run(subnet, "--data", image_folder, "--supernet", weights), "is damaged")
    unused = ("--from", "scratch", "--no-distil", "--supernet", weights)
    refused(run(subnet, "--data", image_folder, *unused), "--supernet has no effect")
