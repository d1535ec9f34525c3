"""The contract of search spaces: genes, genotypes and their neighbourhoods.

Any space is a :class:`SearchSpace`. What a space can do beyond that, such as tell the networks that
its genotypes stand for, is asked for by the protocols of :mod:`mcu_nas_moo.spaces.abilities`.

A genotype is a row of integers; ``X[i, g]`` is the index of the option that gene ``g`` takes in
network ``i``, in ``[0, n_choices[g])``.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mcu_nas_moo.common.code_fingerprint import class_fingerprint
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.common.user_parts import UserCode
    from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec

#: What a gene may take: as files, Optuna and people can tell it.
Value: TypeAlias = "bool | int | float | str"


@dataclass(frozen=True)
class Gene:
    """One decision: a name and the different values it may take, numbers in increasing order."""

    name: str
    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        options = self.options
        if not options:
            raise InputError(f"gene {self.name!r} has no options; give it at least one value")
        for value in options:
            number = isinstance(value, int | float)
            if not isinstance(value, str) and not (number and isfinite(value)):
                raise InputError(
                    f"gene {self.name!r} has the option {value!r}; options are numbers, texts, "
                    "true and false"
                )
        if self.ordered and list(options) != sorted(set(options)):
            raise InputError(f"options of gene {self.name!r} must increase, got {options}")
        if len(set(options)) < len(options):
            raise InputError(f"options of gene {self.name!r} must differ, got {options}")

    def parse(self, text: str) -> Value:
        """The option that a text in a file stands for.

        Raises:
            InputError: if it is none.
        """
        for option in self.options:
            if text == str(option) or (isinstance(option, bool) and text == str(option).lower()):
                return option
        with suppress(ValueError):  # other programs write 3 as 3.0
            if self.ordered and float(text) in self.options:
                return self.options[self.options.index(float(text))]
        raise InputError(f"{self.name} = {text!r} is not one of {self.options}")

    @property
    def ordered(self) -> bool:
        """Whether the options are numbers, whose order means something."""
        return not any(isinstance(value, bool | str) for value in self.options)

    @property
    def step(self) -> int | None:
        """The distance of the options if they are evenly spaced integers, two at least."""
        options = [value for value in self.options if type(value) is int]
        steps = {second - first for first, second in pairwise(options)}
        return steps.pop() if len(options) == len(self.options) and len(steps) == 1 else None


@dataclass(frozen=True)
class Subnet:
    """The readable form of one genotype: gene names and the values they take."""

    space: str
    values: Mapping[str, Value]

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for YAML or JSON; :meth:`SearchSpace.encode` reads it back."""
        return {"space": self.space, **self.values}


class SearchSpace:
    """A finite product of genes. Subclasses say which genes are inactive, and more.

    A space of one's own is a subclass with what it knows: ``active`` where genes can be without
    effect, ``network`` (see ``HasNetworks``) for what the cost model is to be asked, ``features``
    where predictors should see more than the options. On the command line it is a YAML file or
    ``module:Name``.

    Args:
        name: how commands and files refer to the space.
        genes: the decisions, in the order of the genotype's columns.

    Attributes:
        source: the user's code that it was made by, if it was asked for as ``module:Name``.
        input, output: of its networks; None if it has none, or does not tell.

    Raises:
        InputError: if there are no genes, or two have one name.
    """

    source: UserCode | None = None
    input: InputSpec | None = None
    output: OutputSpec | None = None

    def __init__(self, name: str, genes: Sequence[Gene]) -> None:
        if not genes:
            raise InputError(f"space {name!r} has no genes; give it at least one")
        names = [gene.name for gene in genes]
        if len(set(names)) != len(names):
            raise InputError(f"space {name!r} names a gene twice: {names}")
        if "space" in names:
            raise InputError(
                f"space {name!r} calls a gene 'space', which is the field of the space's name in "
                "files of subnets; give the gene another name"
            )
        self.name = name
        self.genes = tuple(genes)

    @property
    def n_genes(self) -> int:
        """Number of columns of a genotype."""
        return len(self.genes)

    @cached_property
    def n_choices(self) -> IntArray:
        """Options per gene, shape ``(n_genes,)``."""
        return np.array([len(gene.options) for gene in self.genes], dtype=np.int64)

    @property
    def n_genotypes(self) -> int:
        """Number of genotypes, an exact Python integer."""
        return prod(len(gene.options) for gene in self.genes)

    @property
    def n_networks(self) -> int:
        """Number of distinct networks; fewer than :attr:`n_genotypes` if genes can be inactive."""
        return self.n_genotypes

    @property
    def facts(self) -> dict[str, Any]:
        """Plain data that decides what the genotypes stand for: equal facts, equal space."""
        genes = {gene.name: list(gene.options) for gene in self.genes}
        facts = {"kind": "genes", "name": self.name, "genes": genes}
        return facts if type(self) is SearchSpace else facts | {"kind": class_fingerprint(self)}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of :attr:`facts`."""
        text = json.dumps(self.facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def features(self, X: Any) -> FloatArray:
        """What predictors see of the genotypes ``X`` ``(N, n_genes)``: float32 ``(N, D)``.

        By default an indicator of each option of each gene, all 0 where the gene is inactive, and
        the values of genes that are numbers.
        """
        X, active = self.check(X), self.active(X)
        columns = [
            (X[:, g, None] == np.arange(len(gene.options))) * active[:, g, None]
            for g, gene in enumerate(self.genes)
        ]
        columns += [
            (np.array(gene.options, dtype=np.float64)[X[:, g]] * active[:, g])[:, None]
            for g, gene in enumerate(self.genes)
            if gene.ordered
        ]
        return np.concatenate(columns, axis=1, dtype=np.float32)

    def check(self, X: Any) -> Genotypes:
        """Return ``X`` as int64 of shape ``(N, n_genes)``.

        Raises:
            InputError: if the shape, dtype or a value does not fit the space.
        """
        given = np.asarray(X)
        if given.ndim != 2 or given.shape[1] != self.n_genes:
            raise InputError(
                f"X must have shape (N, {self.n_genes}) for space {self.name!r}, "
                f"got {given.shape}; use X[None, :] for a single genotype"
            )
        if not np.issubdtype(given.dtype, np.integer):
            raise InputError(
                f"X must hold integers (indices of options), got dtype {given.dtype}; "
                "round it first, for example np.rint(X).astype(int)"
            )
        indices: Genotypes = given.astype(np.int64, copy=False)
        outside = (indices < 0) | (indices >= self.n_choices)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise InputError(
                f"X[{row}, {column}] = {indices[row, column]} is outside "
                f"[0, {self.n_choices[column]}) of gene {self.genes[column].name!r}"
            )
        return indices

    def sample(self, n: int, rng: np.random.Generator) -> Genotypes:
        """``n`` genotypes drawn uniformly and independently, shape ``(n, n_genes)``."""
        return rng.integers(0, self.n_choices, size=(n, self.n_genes), dtype=np.int64)

    def decode(self, X: Any) -> list[Subnet]:
        """The readable subnets of ``X``, shape ``(N, n_genes)``."""
        return [
            Subnet(
                self.name,
                {
                    gene.name: gene.options[index]
                    for gene, index, used in zip(self.genes, row, active, strict=True)
                    if used
                },
            )
            for row, active in zip(self.check(X), self.active(X), strict=True)
        ]

    def encode(self, subnet: Subnet | Mapping[str, Any]) -> Genotypes:
        """Genotype ``(1, n_genes)`` of a readable subnet; inactive genes take option 0.

        Raises:
            InputError: for another space's subnet, an unknown gene, a missing active gene or a
                value that is not an option.
        """
        values = dict(subnet.to_dict() if isinstance(subnet, Subnet) else subnet)
        space = values.pop("space", self.name)
        if space != self.name:
            raise InputError(f"the subnet belongs to space {space!r}, not to {self.name!r}")
        X = np.zeros((1, self.n_genes), dtype=np.int64)
        missing = []
        for column, gene in enumerate(self.genes):
            if gene.name not in values:
                missing.append(column)
                continue
            value = values.pop(gene.name)
            if value not in gene.options:
                raise InputError(f"{gene.name} = {value!r} is not one of {gene.options}")
            X[0, column] = gene.options.index(value)
        if values:
            known = [gene.name for gene in self.genes]
            raise InputError(f"unknown gene {next(iter(values))!r}; the space has {known}")
        lacking = [self.genes[c].name for c in missing if self.active(X)[0, c]]
        if lacking:
            raise InputError(f"the subnet lacks the active genes {lacking}")
        return X

    def active(self, X: Any) -> BoolArray:
        """Mask ``(N, n_genes)`` of the genes that have an effect; all of them by default."""
        return np.ones(self.check(X).shape, dtype=np.bool_)

    def canonical(self, X: Any) -> Genotypes:
        """The representative of each network: inactive genes set to option 0.

        Two genotypes denote the same network exactly when their canonical forms are equal.
        """
        return np.where(self.active(X), self.check(X), 0)

    def neighbours(self, x: Any) -> Genotypes:
        """All networks one gene away from genotype ``x`` ``(n_genes,)``, in canonical form.

        Returns:
            shape ``(M, n_genes)``, without duplicates and without ``x`` itself.
        """
        x = self.check(np.asarray(x)[None, :])
        columns, options = zip(
            *((c, o) for c, k in enumerate(self.n_choices) for o in range(k) if o != x[0, c]),
            strict=True,
        )
        X = np.repeat(x, len(columns), axis=0)
        X[np.arange(len(columns)), columns] = options
        distinct: Genotypes = np.unique(self.canonical(X), axis=0)
        differs = (distinct != self.canonical(x)).any(axis=1)
        return distinct[np.flatnonzero(differs)]
