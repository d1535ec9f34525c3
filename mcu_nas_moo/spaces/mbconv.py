"""MBConv spaces: a stem, stages of inverted-residual blocks, a head and a classifier.

The block is that of MobileNetV2 (Sandler et al., CVPR 2018): 1x1 expansion, depthwise
convolution, 1x1 projection, with a shortcut around every block but the first of its stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec
from mcu_nas_moo.networks.layer import Op, Slot
from mcu_nas_moo.networks.layer_table import LayerTable, Topology
from mcu_nas_moo.spaces.genes import Gene, SearchSpace
from mcu_nas_moo.spaces.parts import Parts

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.spaces.mbconv_spec import MBConvSpec


@dataclass(frozen=True, eq=False)
class Blocks:
    """What N genotypes say about each of S stages and B block places.

    Attributes:
        resolution, stem, head: shape ``(N,)``; the resolution is the height of the input.
        in_width: width of the input, shape ``(N,)``.
        depth, width: shape ``(N, S)``.
        kernel, expansion: shape ``(N, B)``; arbitrary where ``active`` is false.
        active: shape ``(N, B)``, false for blocks beyond the depth of their stage.
    """

    resolution: IntArray
    in_width: IntArray
    stem: IntArray
    head: IntArray
    depth: IntArray
    width: IntArray
    kernel: IntArray
    expansion: IntArray
    active: BoolArray


class MBConvSpace(SearchSpace):
    """The search space that an :class:`MBConvSpec` describes."""

    def __init__(self, spec: MBConvSpec) -> None:
        self.spec = spec
        #: Height and width of the input for each option of the resolution, shape ``(K, 2)``.
        self._sides = np.array([np.broadcast_to(size, 2) for size in spec.resolution])
        height, width = self._sides.max(axis=0).tolist()
        self.input = InputSpec(spec.input.channels, height, width)
        self.output = OutputSpec(spec.classes)
        resolutions = tuple(
            size if isinstance(size, int) else f"{size[0]}x{size[1]}" for size in spec.resolution
        )
        # Each gene with the block place that must exist for it to matter, or -1.
        genes = [
            (Gene("resolution", resolutions), -1),
            (Gene("stem", spec.stem), -1),
            (Gene("head", spec.head), -1),
        ]
        first = 0
        for number, stage in enumerate(spec.stages, start=1):
            genes += [
                (Gene(f"stage{number}_depth", stage.depth), -1),
                (Gene(f"stage{number}_width", stage.width), -1),
            ]
            if spec.granularity == "stage":
                genes.append((Gene(f"stage{number}_kernel", stage.kernel), -1))
                if stage.expansion_by_depth is None:
                    genes.append((Gene(f"stage{number}_expansion", stage.expansions), -1))
            else:
                for block in range(max(stage.depth)):
                    label, place = f"stage{number}_block{block + 1}", first + block
                    genes.append((Gene(f"{label}_kernel", stage.kernel), place))
                    genes.append((Gene(f"{label}_expansion", stage.expansions), place))
            first += max(stage.depth)
        self._fixed = {gene.name: gene.options[0] for gene, _ in genes if len(gene.options) == 1}
        free = [(gene, place) for gene, place in genes if gene.name not in self._fixed]
        self._places = np.array([place for _, place in free], dtype=np.int64)
        super().__init__(spec.name, tuple(gene for gene, _ in free))
        self._column = {gene.name: column for column, gene in enumerate(self.genes)}
        self._options = {
            gene.name: np.array(gene.options) for gene in self.genes if gene.name != "resolution"
        }

    @property
    def facts(self) -> dict[str, Any]:
        return self.spec.model_dump(mode="json")

    @cached_property
    def stage_of_place(self) -> IntArray:
        """Stage number (from 0) of each block place, shape ``(B,)``."""
        return np.repeat(
            np.arange(len(self.spec.stages)), [max(stage.depth) for stage in self.spec.stages]
        )

    @cached_property
    def position_of_place(self) -> IntArray:
        """Position of each block place within its stage (from 0), shape ``(B,)``."""
        return np.concatenate([np.arange(max(stage.depth)) for stage in self.spec.stages])

    @cached_property
    def n_networks(self) -> int:
        """Number of distinct networks, counted stage by stage."""
        spec = self.spec
        count = len(spec.resolution) * len(spec.stem) * len(spec.head)
        for stage in spec.stages:
            kinds = len(stage.kernel) * (
                1 if stage.expansion_by_depth is not None else len(stage.expansions)
            )
            if spec.granularity == "stage":
                count *= len(stage.width) * len(stage.depth) * kinds
            else:
                count *= len(stage.width) * sum(kinds**depth for depth in stage.depth)
        return count

    @property
    def largest(self) -> Genotypes:
        """Genotype ``(1, n_genes)`` of the network that contains all others."""
        return self.n_choices[None, :] - 1

    @property
    def smallest(self) -> Genotypes:
        """Genotype ``(1, n_genes)`` of the network that all others contain."""
        return np.zeros((1, self.n_genes), dtype=np.int64)

    def _values(self, X: Genotypes, name: str) -> IntArray:
        if name in self._fixed:
            return np.full(len(X), self._fixed[name])
        return self._options[name][X[:, self._column[name]]]

    def active(self, X: Any) -> BoolArray:
        X = self.check(X)
        mask = np.ones(X.shape, dtype=np.bool_)
        bound = self._places >= 0
        mask[:, bound] = self._active_places(self._stage_values(X, "depth"))[:, self._places[bound]]
        return mask

    def _active_places(self, depth: IntArray) -> BoolArray:
        return self.position_of_place < depth[:, self.stage_of_place]

    def _stage_values(self, X: Genotypes, what: str) -> IntArray:
        stages = range(1, len(self.spec.stages) + 1)
        return np.stack([self._values(X, f"stage{s}_{what}") for s in stages], axis=1)

    def blocks(self, X: Any) -> Blocks:
        """Stages and blocks of the genotypes ``X``, shape ``(N, n_genes)``."""
        X = self.check(X)
        depth = self._stage_values(X, "depth")
        if self.spec.granularity == "stage":
            kernel = self._stage_values(X, "kernel")[:, self.stage_of_place]
            expansion = np.stack(
                [
                    self._values(X, f"stage{number}_expansion")
                    if stage.expansion_by_depth is None
                    else _lookup(stage.expansion_by_depth)[depth[:, number - 1]]
                    for number, stage in enumerate(self.spec.stages, start=1)
                ],
                axis=1,
            )[:, self.stage_of_place]
        else:
            labels = [
                f"stage{stage + 1}_block{position + 1}"
                for stage, position in zip(self.stage_of_place, self.position_of_place, strict=True)
            ]
            kernel = np.stack([self._values(X, f"{label}_kernel") for label in labels], axis=1)
            expansion = np.stack(
                [self._values(X, f"{label}_expansion") for label in labels], axis=1
            )
        fixed = "resolution" in self._fixed
        sides = self._sides[
            np.zeros(len(X), np.int64) if fixed else X[:, self._column["resolution"]]
        ]
        return Blocks(
            resolution=sides[:, 0],
            in_width=sides[:, 1],
            stem=self._values(X, "stem"),
            head=self._values(X, "head"),
            depth=depth,
            width=self._stage_values(X, "width"),
            kernel=kernel,
            expansion=expansion,
            active=self._active_places(depth),
        )

    def features(self, X: Any) -> FloatArray:
        """What predictors see of the genotypes ``X`` ``(N, n_genes)``: float32 ``(N, D)``.

        The same columns for every granularity: resolution, stem, head and the width of each stage,
        as numbers and as indicators of their options; then for each block place whether it exists,
        its kernel size and its expansion ratio (0 where it does not exist). Inputs that are not
        square have their width as one more number, the last one.
        """
        blocks = self.blocks(X)
        spec = self.spec
        scalars = [blocks.resolution, blocks.stem, blocks.head, *blocks.width.T]
        options = [spec.stem, spec.head, *(stage.width for stage in spec.stages)]
        is_side = blocks.resolution[:, None] == self._sides[:, 0]
        if not self._square:
            is_side &= blocks.in_width[:, None] == self._sides[:, 1]
        return np.concatenate(
            [
                np.stack(scalars, axis=1),
                is_side,
                *(v[:, None] == known for v, known in zip(scalars[1:], options, strict=True)),
                blocks.active,
                blocks.kernel * blocks.active,
                blocks.expansion * blocks.active,
                *([] if self._square else [blocks.in_width[:, None]]),
            ],
            axis=1,
            dtype=np.float32,
        )

    @cached_property
    def _square(self) -> bool:
        return bool((self._sides[:, 0] == self._sides[:, 1]).all())

    @cached_property
    def topology(self) -> Topology:
        """Slots of every network of the space, with the blocks of the deepest one."""
        slots = [Slot("stem", Op.CONV, (0,), activation="relu")]
        for stage, position in zip(self.stage_of_place, self.position_of_place, strict=True):
            label = f"stage{stage + 1}.block{position + 1}"
            x = len(slots)
            slots += [
                Slot(f"{label}.expand", Op.CONV, (x,), activation="relu"),
                Slot(f"{label}.depthwise", Op.DEPTHWISE, (x + 1,), activation="relu"),
                Slot(f"{label}.project", Op.CONV, (x + 2,)),
            ]
            if position > 0:
                # The shortcut comes first: a block left out passes it on.
                slots.append(Slot(f"{label}.add", Op.ADD, (x, x + 3)))
        slots.append(Slot("head", Op.CONV, (len(slots),), activation="relu"))
        slots.append(Slot("pool", Op.GLOBAL_POOL, (len(slots),)))
        slots.append(Slot("classifier", Op.DENSE, (len(slots),)))
        return Topology(tuple(slots))

    @cached_property
    def _block_columns(self) -> dict[str, IntArray]:
        """Slot numbers of each part of the blocks, in the order of the block places."""
        names = [slot.name for slot in self.topology.slots]
        return {
            part: np.array([c for c, name in enumerate(names) if name.endswith(f".{part}")], int)
            for part in ("expand", "depthwise", "project", "add")
        }

    @cached_property
    def parts(self) -> Parts:
        """Stem, blocks and head, each with the genes that decide its layers."""
        names, width = [["stem"]], "stem"
        for stage, position in zip(self.stage_of_place + 1, self.position_of_place, strict=True):
            label, before = f"stage{stage}", width
            width = f"{label}_width"
            block = f"{label}_block{position + 1}" if self.spec.granularity == "block" else label
            # Of the first block, the width before is another one.
            names.append([before, width, f"{label}_depth", f"{block}_kernel", f"{block}_expansion"])
        names.append([width, "head"])
        genes = [
            {self._column[name] for name in ("resolution", *part) if name in self._column}
            for part in names
        ]
        first_layers = [0, *self._block_columns["expand"], len(self.topology.slots) - 3]
        return Parts(self.n_choices, first_layers, genes)

    def network(self, X: Any) -> LayerTable:
        """Layer table of the genotypes ``X``, shape ``(N, n_genes)``."""
        blocks = self.blocks(X)
        n, n_slots = len(blocks.stem), len(self.topology.slots)
        stage, first = self.stage_of_place, self.position_of_place == 0
        halved = [spec.stride for spec in self.spec.stages]

        before = np.concatenate([blocks.stem[:, None], blocks.width[:, :-1]], axis=1)
        block_out = blocks.width[:, stage]
        block_in = np.where(first, before[:, stage], block_out)
        hidden = block_in * blocks.expansion

        ones = np.ones((n, n_slots), dtype=np.int64)
        active = np.ones((n, n_slots), dtype=np.bool_)
        in_channels, out_channels, kernel, stride_of = (ones.copy() for _ in range(4))
        columns = self._block_columns
        parts = (
            ("expand", slice(None), block_in, hidden),
            ("depthwise", slice(None), hidden, hidden),
            ("project", slice(None), hidden, block_out),
            ("add", ~first, block_out, block_out),
        )
        for part, places, channels_in, channels_out in parts:
            at = columns[part]
            active[:, at] = blocks.active[:, places]
            in_channels[:, at] = channels_in[:, places]
            out_channels[:, at] = channels_out[:, places]
        kernel[:, columns["depthwise"]] = blocks.kernel
        stride_of[:, columns["depthwise"]] = np.where(first, np.array(halved)[stage], 1)

        in_channels[:, 0], out_channels[:, 0] = self.spec.input.channels, blocks.stem
        kernel[:, 0] = 3
        in_channels[:, -3], out_channels[:, -3] = blocks.width[:, -1], blocks.head
        in_channels[:, -2] = out_channels[:, -2] = in_channels[:, -1] = blocks.head
        out_channels[:, -1] = self.spec.classes
        height_in, height_out = self._sizes(blocks.resolution)
        width_in, width_out = (
            (height_in, height_out) if self._square else self._sizes(blocks.in_width)
        )
        return LayerTable(
            self.topology,
            active,
            in_channels,
            out_channels,
            kernel,
            kernel,
            stride_of,
            stride_of,
            height_in,
            width_in,
            height_out,
            width_out,
        )

    def _sizes(self, side: IntArray) -> tuple[IntArray, IntArray]:
        """Heights or widths before and after each slot, ``(N, L)``, for those of the input."""
        # Convolutions are padded, so that stride 2 rounds up.
        after = [side]
        for stage in self.spec.stages:
            after.append(-(-after[-1] // stage.stride))
        sizes = np.stack(after, axis=1)
        stages, first = self.stage_of_place, self.position_of_place == 0
        block_out = sizes[:, stages + 1]
        block_in = np.where(first, sizes[:, stages], block_out)
        size_in = np.ones((len(side), len(self.topology.slots)), dtype=np.int64)
        size_out = size_in.copy()
        size_in[:, 0] = size_out[:, 0] = side
        columns = self._block_columns
        for part, before, behind in (
            ("expand", block_in, block_in),
            ("depthwise", block_in, block_out),
            ("project", block_out, block_out),
        ):
            size_in[:, columns[part]], size_out[:, columns[part]] = before, behind
        size_in[:, columns["add"]] = size_out[:, columns["add"]] = block_out[:, ~first]
        size_in[:, -3] = size_out[:, -3] = size_in[:, -2] = sizes[:, -1]
        return size_in, size_out


def _lookup(table: dict[int, int]) -> IntArray:
    """Array ``a`` with ``a[key] = value``; 0 between the keys."""
    array = np.zeros(max(table) + 1, dtype=np.int64)
    array[list(table)] = list(table.values())
    return array
