"""What every search space must do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mcu_nas_moo import SearchSpace
from mcu_nas_moo.spaces.abilities import HasNetworks, InParts, Nested, check_layers

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import Genotypes

#: Spaces of so many genotypes are looked at as a whole.
SMALL = 20_000
#: Samples of larger ones.
SAMPLES = 60
#: Networks that torch builds and runs.
RUN = 4


class SpaceSuite:
    """Tests of a search space; a subclass returns it from :meth:`make`."""

    def make(self) -> SearchSpace:
        """The space, made anew."""
        raise NotImplementedError

    @pytest.fixture
    def own(self) -> SearchSpace:
        """The space that is tested."""
        space = self.make()
        assert isinstance(space, SearchSpace), "make() must return an object of SearchSpace"
        return space

    @pytest.fixture
    def X(self, own: SearchSpace) -> Genotypes:
        """Some genotypes of it, repeated ones among them."""
        X = own.sample(SAMPLES, np.random.default_rng(0))
        return np.concatenate([X, X[:3]])

    @pytest.fixture
    def networks(self, own: SearchSpace) -> HasNetworks:
        """The same space, if it tells networks."""
        if not isinstance(own, HasNetworks):
            pytest.skip("the space tells no networks")
        return own

    def test_genes_and_their_numbers(self, own: SearchSpace) -> None:
        names = [gene.name for gene in own.genes]
        assert len(set(names)) == len(names) == own.n_genes > 0
        assert own.n_choices.tolist() == [len(gene.options) for gene in own.genes]
        assert np.prod([float(n) for n in own.n_choices]) == pytest.approx(own.n_genotypes)

    def test_samples_are_genotypes_and_repeat_with_the_seed(self, own: SearchSpace) -> None:
        first, second, other = (own.sample(50, np.random.default_rng(s)) for s in (1, 1, 2))
        assert first.shape == (50, own.n_genes)
        assert np.issubdtype(first.dtype, np.integer)
        assert (first >= 0).all()
        assert (first < own.n_choices).all()
        assert (first == second).all()
        assert own.n_genotypes == 1 or (first != other).any()

    def test_canonical_form_stays_and_is_that_of_the_network(
        self, own: SearchSpace, X: Genotypes
    ) -> None:
        canonical = own.canonical(X)
        assert canonical.shape == X.shape
        assert (own.canonical(canonical) == canonical).all(), "canonical(canonical(X)) differs"
        assert (own.check(canonical) == canonical).all()
        readable = [str(subnet) for subnet in own.decode(X)]
        pairs = {(text, row.tobytes()) for text, row in zip(readable, canonical, strict=True)}
        count = len(pairs)
        assert count == len({text for text, _ in pairs}), "one subnet has two canonical forms"
        assert count == len({form for _, form in pairs}), "two subnets share a canonical form"

    def test_inactive_genes_have_no_effect(self, own: SearchSpace, X: Genotypes) -> None:
        active = own.active(X)
        assert active.shape == X.shape
        assert active.dtype == np.bool_
        others = own.sample(len(X), np.random.default_rng(3))
        changed = np.where(active, X, others)
        assert (own.canonical(changed) == own.canonical(X)).all()
        assert [str(s) for s in own.decode(changed)] == [str(s) for s in own.decode(X)]

    def test_encode_reads_what_decode_writes(self, own: SearchSpace, X: Genotypes) -> None:
        for x, subnet in zip(own.canonical(X), own.decode(X), strict=True):
            assert (own.encode(subnet) == x).all()
            plain = json.loads(json.dumps(subnet.to_dict()))
            assert (own.encode(plain) == x).all(), "a subnet changes on its way through a file"

    def test_neighbours_are_the_networks_one_gene_away(
        self, own: SearchSpace, X: Genotypes
    ) -> None:
        for x in X[:5]:
            expected = set()
            for gene, options in enumerate(own.n_choices):
                for option in range(options):
                    y = x.copy()
                    y[gene] = option
                    expected.add(own.canonical(y[None]).tobytes())
            expected -= {own.canonical(x[None]).tobytes()}
            found = [y.tobytes() for y in np.ascontiguousarray(own.neighbours(x), dtype=np.int64)]
            assert len(found) == len(set(found)), "a neighbour is named twice"
            assert set(found) == expected

    def test_number_of_networks(self, own: SearchSpace, X: Genotypes) -> None:
        if own.n_genotypes <= SMALL:
            sizes = tuple(own.n_choices)
            X = np.indices(sizes).reshape(len(sizes), -1).T
        distinct = len(np.unique(own.canonical(X), axis=0))
        assert own.n_genotypes >= own.n_networks >= distinct
        assert own.n_genotypes > SMALL or own.n_networks == distinct

    def test_wrong_genotypes_are_refused(self, own: SearchSpace, X: Genotypes) -> None:
        beyond = X.copy()
        beyond[-1, 0] = own.n_choices[0]
        for wrong in (X[0], X[:, :-1], X + 0.5, beyond, X - own.n_choices):
            with pytest.raises(ValueError, match="X"):
                own.check(wrong)

    def test_facts_are_plain_and_decide_the_fingerprint(self, own: SearchSpace) -> None:
        assert json.loads(json.dumps(own.facts)) == own.facts, "facts must be plain data"
        again = self.make()
        assert again.facts == own.facts
        assert again.fingerprint == own.fingerprint

    def test_features_are_numbers_of_each_network(self, own: SearchSpace, X: Genotypes) -> None:
        features = own.features(X)
        assert features.dtype == np.float32
        assert features.ndim == 2
        assert len(features) == len(X)
        assert np.isfinite(features).all()
        assert (own.features(own.canonical(X)) == features).all(), "they differ for one network"
        for row in range(3):
            alone = own.features(X[row : row + 1])
            assert (alone[0] == features[row]).all(), "they depend on the batch"
        assert own.features(X[:0]).shape == (0, features.shape[1])

    def test_equal_features_mean_equal_networks(self, networks: HasNetworks, X: Genotypes) -> None:
        X = np.concatenate([X, *(networks.neighbours(x) for x in X[:2])])
        table = networks.network(X)
        known: dict[bytes, Any] = {}
        for row, features in enumerate(networks.features(X)):
            layers = table.layers(row)
            first = known.setdefault(features.tobytes(), layers)
            assert first == layers, f"{networks.decode(X[row][None])[0]} disagrees with features"

    def test_networks_do_not_depend_on_the_batch(self, networks: HasNetworks, X: Genotypes) -> None:
        table, canonical = networks.network(X), networks.network(networks.canonical(X))
        assert len(table) == len(X)
        for row in range(0, len(X), 7):
            layers = table.layers(row)
            assert layers == canonical.layers(row)
            assert layers == networks.network(X[row : row + 1]).layers()

    def test_layers_fit_together_and_to_input_and_output(
        self, networks: HasNetworks, X: Genotypes
    ) -> None:
        table = networks.network(X)
        for row in range(len(X)):
            check_layers(networks, table.layers(row))

    def test_torch_runs_the_networks_with_as_many_macs(
        self, networks: HasNetworks, X: Genotypes
    ) -> None:
        import torch

        from mcu_nas_moo.networks.torch_module import SubnetModule

        table = networks.network(X[:RUN])
        for row in range(min(RUN, len(X))):
            layers = table.layers(row)
            module = SubnetModule(layers).eval()
            macs = 0

            def count(layer: Any, _: Any, output: Any) -> None:
                nonlocal macs
                macs += output.numel() * layer.weight[0].numel()

            for part in module.modules():
                if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
                    part.register_forward_hook(count)
            with torch.no_grad():
                out = module(torch.zeros(1, layers[0].in_channels, *layers[0].in_size))
            assert macs == table.macs[row].sum()
            if networks.output is not None:
                assert out.shape == (1, networks.output.classes)

    def test_parts_depend_on_their_genes_alone(self, own: SearchSpace, X: Genotypes) -> None:
        if not isinstance(own, InParts):
            pytest.skip("the space tells no parts")
        table, settings = own.network(X), own.parts.settings(X)
        ends = [*own.parts.first_layers[1:], table.active.shape[1]]
        assert own.parts.first_layers[0] == 0
        assert settings.max() < own.parts.n_settings
        arrays = [array for array in vars(table).values() if isinstance(array, np.ndarray)]
        for part, (start, end) in enumerate(zip(own.parts.first_layers, ends, strict=True)):
            layers: dict[int, bytes] = {}
            for row, setting in enumerate(settings[part]):
                used = table.active[row, start:end]
                found = b"".join(array[row, start:end][used].tobytes() for array in arrays)
                message = f"part {part} depends on genes that it does not name"
                assert layers.setdefault(int(setting), found) == found, message

    def test_largest_contains_and_smallest_is_contained(
        self, own: SearchSpace, X: Genotypes
    ) -> None:
        if not isinstance(own, Nested):
            pytest.skip("the space has no largest network")
        sizes = own.network(X).weights.sum(axis=1)
        for extreme in (own.largest, own.smallest):
            assert own.check(extreme).shape == (1, own.n_genes)
        assert own.network(own.smallest).weights.sum() <= sizes.min()
        assert own.network(own.largest).weights.sum() >= sizes.max()
        largest = {layer.name: layer for layer in own.network(own.largest).layers()}
        for layer in own.network(X[:1]).layers():
            whole = largest[layer.name]
            assert layer.op == whole.op
            assert layer.in_channels <= whole.in_channels
            assert layer.out_channels <= whole.out_channels
