"""Supernet weights as a file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, write_atomically
from mcu_nas_moo.common.tensor_files import read_tensors
from mcu_nas_moo.data.images import Normalisation
from mcu_nas_moo.networks.torch_module import with_weights
from mcu_nas_moo.spaces.abilities import Nested, classes_of, with_ability
from mcu_nas_moo.spaces.register import space_of_facts
from mcu_nas_moo.training.supernet.shipped_files import SHIPPED, artifact_path, register, remake
from mcu_nas_moo.training.supernet.supernet import Supernet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


#: The command that remakes the shipped weights.
REMAKE = "mcu-nas supernet train --data DIR"


@dataclass(frozen=True, eq=False)
class TrainedSupernet:
    """A supernet with all that is needed to evaluate its subnets.

    Attributes:
        training: how it was trained: settings, number of images, seconds, device.
    """

    supernet: Supernet
    spaces: tuple[Nested, ...]
    normalise: Normalisation
    training: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write a safetensors file; :meth:`load` reads it."""
        from safetensors.torch import save_file

        tensors = {key: value.contiguous() for key, value in self.supernet.state_dict().items()}
        metadata = {
            "spaces": json.dumps([space.facts for space in self.spaces]),
            "normalisation": json.dumps([self.normalise.mean, self.normalise.std]),
            "training": json.dumps(self.training),
        }
        write_atomically(path, lambda partial: save_file(tensors, partial, metadata))
        register(path)

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> TrainedSupernet:
        """Read weights; those that the package ships if no path is given, or ``shipped``.

        Raises:
            InputError: if the file is missing or damaged; the message names the command that
                remakes it.
        """
        own = None if path is None or str(path) == SHIPPED else path
        path = artifact_path("supernet.safetensors", own, REMAKE)
        with parsing(path, remake(path, REMAKE)):
            state, metadata = read_tensors(path, device=device)
            spaces = tuple(
                with_ability(space_of_facts(facts, "spaces"), Nested, "share weights")
                for facts in metadata["spaces"]
            )
            layers = spaces[0].network(spaces[0].largest).layers()
            supernet = with_weights(lambda: Supernet(layers), state)
            normalise = Normalisation.of_facts(metadata["normalisation"])
            return cls(supernet, spaces, normalise, dict(metadata["training"]))

    @property
    def fingerprint(self) -> str:
        """Hash of the weights."""
        digest = hashlib.sha256()
        for tensor in self.supernet.state_dict().values():
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def data(self) -> str:
        """Name of the pictures that it was trained on."""
        return str(self.training.get("data", "unknown pictures"))

    @property
    def classes(self) -> int:
        """That its networks tell apart."""
        return classes_of(self.spaces[0])

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Make sure that images are of the classes that the supernet tells apart.

        Raises:
            InputError: if there are more or fewer, or they have other names, which older files
                do not tell.
        """
        if len(class_names) != self.classes:
            raise InputError(
                f"the images have {len(class_names)} classes, the supernet {self.classes}"
            )
        known = self.training.get("class_names", class_names)
        if list(known) != list(class_names):
            raise InputError(
                f"the images have the classes {', '.join(class_names)}, the supernet tells "
                f"{', '.join(map(str, known))} apart; give the images that it was trained on"
            )

    def spaces_named(self, names: Sequence[str]) -> list[Nested]:
        """The spaces of those names; all if none are given.

        Raises:
            InputError: if the supernet was not trained for one of them.
        """
        known = {space.name: space for space in self.spaces}
        for name in names:
            if name not in known:
                raise InputError(
                    f"the supernet was trained for {', '.join(known)}, not {name!r}; give "
                    "--supernet FILE of one that was (mcu-nas supernet train --space FILE)"
                )
        return [known[name] for name in names or known]
