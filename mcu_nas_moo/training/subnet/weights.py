"""Weights of one subnet: those it shares with the supernet, and those of its own in a file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, write_atomically
from mcu_nas_moo.common.tensor_files import read_tensors
from mcu_nas_moo.common.yaml_files import validate
from mcu_nas_moo.data.images import Normalisation, calibration_images
from mcu_nas_moo.networks.torch_module import SubnetModule, with_weights
from mcu_nas_moo.spaces.abilities import classes_of
from mcu_nas_moo.spaces.subnet_file import SubnetFile
from mcu_nas_moo.training.supernet.supernet import recalibrate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mcu_nas_moo.data.images import Images
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

#: Name of the network input in :attr:`RetrainedSubnet.ranges`.
IMAGE = "image"
#: The command that makes a weights file.
REMAKE = "mcu-nas retrain SUBNET --data DIR"


@dataclass(frozen=True, eq=False)
class RetrainedSubnet:
    """A subnet with weights of its own and all that is needed to evaluate and export it.

    Attributes:
        subnet: which one; its classes are those of the images.
        module: the float network in evaluation mode, batch-norm statistics set.
        normalise: what turns pixels into the input of the network.
        class_names: in the order of the logits.
        ranges: least and greatest value of each tensor of the int8 network, both including 0, by
            the name of the layer that writes it and ``image`` for the input; None unless the
            weights were trained with fake quantisation.
        training: how the weights were made: settings, images, seconds, versions, accuracies.
    """

    subnet: SubnetFile
    module: SubnetModule
    normalise: Normalisation
    class_names: tuple[str, ...]
    ranges: dict[str, tuple[float, float]] | None
    training: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write a safetensors file; :meth:`load` reads it."""
        from safetensors.torch import save_file

        state = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.module.state_dict().items()
        }
        metadata = {
            "subnet": self.subnet.model_dump_json(),
            "normalisation": json.dumps([self.normalise.mean, self.normalise.std]),
            "class_names": json.dumps(self.class_names),
            "ranges": json.dumps(self.ranges),
            "training": json.dumps(self.training),
            "sha256": json.dumps(fingerprint(state)),
        }
        write_atomically(path, lambda partial: save_file(state, partial, metadata))

    @classmethod
    def load(cls, path: Path, subnet: SubnetFile | None = None) -> RetrainedSubnet:
        """Read what :meth:`save` wrote, of ``subnet`` if one is given.

        Raises:
            InputError: if the file is missing, damaged, not of this kind or of another subnet;
                the message names the remedy.
        """
        if not path.is_file():
            raise InputError(f"no retrained weights {path}; `{REMAKE}` makes them")
        with parsing(path, f"remake it with `{REMAKE}`", "a retrained subnet"):
            state, metadata = read_tensors(path)
            if fingerprint(state) != metadata["sha256"]:
                raise InputError("its checksum does not fit its weights")
            found = validate(SubnetFile, metadata["subnet"], "subnet")
            module = with_weights(lambda: SubnetModule(found.layers()), state)
            ranges = metadata["ranges"]
            if not isinstance(ranges, dict | None):
                raise InputError("its ranges are no mapping of names to two numbers")
            retrained = cls(
                found,
                module.to(memory_format=torch.channels_last).eval(),  # type: ignore[call-overload]
                Normalisation.of_facts(metadata["normalisation"]),
                tuple(str(name) for name in metadata["class_names"]),
                ranges
                and {name: (float(low), float(high)) for name, (low, high) in ranges.items()},
                dict(metadata["training"]),
            )
        if subnet is not None and not same_network(subnet, found):
            raise InputError(
                f"{path} holds the weights of another network, subnet {found.name!r} of space "
                f"{found.space!r}; retrain {subnet.name!r} with `{REMAKE}`, or choose another "
                "--out folder"
            )
        return retrained


def same_network(one: SubnetFile, other: SubnetFile) -> bool:
    """Whether two subnets are the same network but for the number of classes."""
    if one.space != other.space:
        return False
    space = one.search_space()
    return bool((space.canonical(one.genotype) == space.canonical(other.genotype)).all())


def fingerprint(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of tensors in the order of their names, hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def supernet_part(trained: TrainedSupernet, subnet: SubnetFile, classes: int) -> SubnetModule:
    """The subnet with a copy of the weights it shares; batch-norm statistics are yet to be set.

    If the supernet tells another number of classes apart, all weights are copied but those of the
    classifier, which are random.

    Raises:
        InputError: if the supernet was trained for other spaces.
    """
    (space,) = trained.spaces_named([subnet.space])
    known = classes_of(space)
    if space.facts != subnet.search_space(known).facts:
        raise InputError(
            f"the supernet was trained for another space called {subnet.space!r}; give --supernet "
            "of a supernet trained with this version"
        )
    module = trained.supernet.subnet(subnet.layers(known))
    if known == classes:
        return module
    shared = module.state_dict()
    fresh = SubnetModule(subnet.layers(classes))
    classifier = fresh.layers[-1].key
    shared |= {
        name: value for name, value in fresh.state_dict().items() if f".{classifier}." in name
    }
    fresh.load_state_dict(shared)
    device = next(module.parameters()).device
    return fresh.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def shared_weights(
    subnet: SubnetFile,
    train: Images,
    class_names: Sequence[str],
    trained: TrainedSupernet,
) -> RetrainedSubnet:
    """The subnet with the weights it shares, its batch norms recalibrated on training images.

    Raises:
        InputError: if the supernet was trained for other spaces or other classes.
    """
    known = trained.classes
    if known != len(class_names):
        raise InputError(
            f"the supernet tells {known} classes apart, the images have {len(class_names)}, so "
            "its weights cannot be used as they are; give --supernet of one that was trained on "
            f"these images, or retrain them with `{REMAKE}`"
        )
    trained.check_classes(class_names)
    module = supernet_part(trained, subnet, known)
    recalibrate(module, calibration_images(train), trained.normalise)
    training = {"weights": "shared", "supernet": trained.fingerprint, "data": trained.data}
    subnet = subnet.model_copy(update={"classes": known})
    return RetrainedSubnet(subnet, module, trained.normalise, tuple(class_names), None, training)
