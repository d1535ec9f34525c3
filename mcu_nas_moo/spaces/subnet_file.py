"""Subnet files: one chosen subnet as a small YAML or JSON file, as every later command takes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml
from pydantic import Field, StrictInt

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.yaml_files import Facts, read_values, validate
from mcu_nas_moo.spaces import list_spaces, load_space

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.networks.layer_table import Layer
    from mcu_nas_moo.spaces import MBConvSpace


class SubnetFile(Facts):
    """A subnet that was chosen, in readable form.

    Args:
        name: how commands and folders refer to it; letters, digits, ``.``, ``_`` and ``-``.
        space: name of the shipped space.
        genes: names of the active genes and their values, see :class:`Subnet`.
        classes: that the network tells apart.
        profile: that it was searched for, if any.
        predicted: figures that the search believed, by metric; they inform and decide nothing.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    space: str
    genes: dict[str, StrictInt]
    classes: int = Field(default=10, ge=2)
    profile: str | None = None
    predicted: dict[str, float] = Field(default_factory=dict)

    def search_space(self, classes: int | None = None) -> MBConvSpace:
        """The space of the subnet; for another number of classes if one is given."""
        return load_space(self.space, classes or self.classes)

    @property
    def genotype(self) -> Genotypes:
        """The genotype, ``(1, n_genes)``."""
        return self.search_space().encode(self.genes)

    def layers(self, classes: int | None = None) -> list[Layer]:
        """The network, layer by layer."""
        return self.search_space(classes).network(self.genotype).layers()


def read_subnet(path: Path) -> SubnetFile:
    """The subnet in a YAML or JSON file. A file without a name is called after the file.

    Raises:
        InputError: on one line; if the file cannot be read, names an unknown space, or its genes
            are not a network of that space.
    """
    if not path.is_file():
        raise InputError(
            f"no subnet file {path}; `mcu-nas front pick` writes one from the results of a search"
        )
    # YAML 1.2 contains JSON, so one reader does for both.
    values = read_values(path, str(path))
    subnet = validate(SubnetFile, {"name": path.stem, **values}, str(path))
    try:
        subnet.layers()
    except InputError as error:
        raise InputError(f"{path}: {_explained(subnet, error)}") from None
    return subnet


def _explained(subnet: SubnetFile, error: InputError) -> InputError:
    """What is wrong with the genes, if it is another space or a slip; else ``error`` itself."""
    if subnet.space not in list_spaces():
        return error
    for other in set(list_spaces()) - {subnet.space}:
        try:
            load_space(other).encode(subnet.genes)
        except ValueError:
            continue
        return InputError(
            f"these are genes of {other}, not of {subnet.space}; correct the line of the space"
        )
    known = [gene.name for gene in subnet.search_space().genes]
    for name in subnet.genes:
        if name not in known:
            return unknown_name("gene", name, known)
    return error


def write_subnet(subnet: SubnetFile, path: Path) -> None:
    """Write a subnet file: JSON if the name ends in ``.json``, YAML otherwise."""
    values = subnet.model_dump(mode="json", exclude_none=True)
    if path.suffix == ".json":
        text = json.dumps(values, indent=2) + "\n"
    else:
        text = yaml.safe_dump(values, sort_keys=False)
    write_text_atomically(path, text)
