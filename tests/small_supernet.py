"""A small space under a name of its own, a supernet for it, and a subnet file of it."""

import pytest

from mcu_nas_moo.data.image_folders import ImageFolder
from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec
from mcu_nas_moo.spaces.subnet_file import SubnetFile
from mcu_nas_moo.training.supernet.trainer import SupernetTrainer, TrainingSettings, train_supernet


@pytest.fixture(scope="session")
def small_space(small_spec):
    facts = {"name": "small", "granularity": "stage", "classes": 2}
    return MBConvSpace(MBConvSpec.model_validate(small_spec | facts))


@pytest.fixture(scope="session")
def subnet(small_space):
    """One of two blocks in a stage, so that there is an addition, at half the resolution."""
    genes = {gene.name: gene.options[-1] for gene in small_space.genes}
    genes |= {"resolution": 16, "stem": 4}
    return SubnetFile(name="chosen", genes=genes, **SubnetFile.fields_of(small_space))


@pytest.fixture(scope="session")
def images(image_folder):
    return ImageFolder.read(image_folder)


@pytest.fixture(scope="session")
def supernet(small_space, images, tmp_path_factory):
    """Trained until its largest network tells the two classes apart."""
    settings = TrainingSettings(epochs=5, batch_size=12, learning_rate=0.02, warmup_epochs=0.5)
    folder = tmp_path_factory.mktemp("supernet")
    trainer = SupernetTrainer([small_space], images.train, images.validation, settings, folder)
    return train_supernet(trainer)
