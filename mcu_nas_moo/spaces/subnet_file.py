"""Subnet files: one chosen subnet as a small YAML or JSON file, as every later command takes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import UserFile
from mcu_nas_moo.common.yaml_files import read_values, validate
from mcu_nas_moo.spaces.abilities import HasNetworks, with_ability
from mcu_nas_moo.spaces.register import SpaceReference, list_spaces, load_space

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.spaces.genes import SearchSpace


class SubnetFile(SpaceReference):
    """A subnet that was chosen, in readable form.

    Args:
        name: how commands and folders refer to it; letters, digits, ``.``, ``_`` and ``-``.
        genes: names of the active genes and their values, see :class:`Subnet`.
        profile: that it was searched for, if any.
        profile_file: where that profile lies, if it is not a shipped one.
        problem: name of the problem that it solves, if that is none of networks.
        predicted: figures that the search believed, by metric; they inform and decide nothing.
        data: what their accuracy is of, in words.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    genes: dict[str, StrictBool | StrictInt | StrictFloat | StrictStr]
    profile: str | None = None
    profile_file: UserFile | None = None
    problem: str | None = None
    predicted: dict[str, float] = Field(default_factory=dict)
    data: str | None = None

    @property
    def genotype(self) -> Genotypes:
        """The genotype, ``(1, n_genes)``."""
        return self.search_space().encode(self.genes)

    def search_space(self, classes: int | None = None) -> SearchSpace:
        if self.problem is not None:
            raise InputError(f"it holds a solution of problem {self.problem}, which is no network")
        return super().search_space(classes)

    def layers(self, classes: int | None = None) -> list[Layer]:
        """The network, layer by layer."""
        space = with_ability(self.search_space(classes), HasNetworks, "be exported")
        return space.network(self.genotype).layers()


def read_subnet(path: Path) -> SubnetFile:
    """The subnet in a YAML or JSON file. A file without a name is called after the file.

    Raises:
        InputError: on one line; if the file cannot be read, names an unknown space, or its genes
            are not a network of that space.
    """
    subnet = read_fields(path)
    try:
        subnet.genotype  # noqa: B018 - raises if the genes are none of the space
    except InputError as error:
        raise InputError(f"{path}: {_explained(subnet, error)}") from None
    return subnet


def read_fields(path: Path) -> SubnetFile:
    """What a subnet file says, whether its space can be made again or not.

    Raises:
        InputError: on one line; if the file cannot be read, or a field is wrong.
    """
    if not path.is_file():
        raise InputError(
            f"no subnet file {path}; `mcu-nas front pick` writes one from the results of a search"
        )
    # YAML 1.2 contains JSON, so one reader does for both.
    values = read_values(path, str(path))
    return validate(SubnetFile, {"name": path.stem, **values}, str(path))


def _explained(subnet: SubnetFile, error: InputError) -> InputError:
    """What is wrong with the genes, if it is another space or a slip; else ``error`` itself."""
    if subnet.space not in list_spaces() or subnet.problem is not None:
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
    values = {"name": subnet.name, "space": subnet.space, "genes": subnet.genes}
    beside = {"classes"} if subnet.problem is not None else None
    values |= subnet.model_dump(mode="json", exclude_none=True, exclude=beside)
    if path.suffix == ".json":
        text = json.dumps(values, indent=2) + "\n"
    else:
        text = yaml.safe_dump(values, sort_keys=False)
    write_text_atomically(path, text)
