from __future__ import annotations

import pytest

from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.spaces.subnet_file import SubnetFile, read_subnet, write_subnet


@pytest.fixture
def written(tmp_path):
    """A file of the smallest subnet of a space, whose text is then changed."""

    def write(space, change=lambda text: text):
        loaded = load_space(space)
        (smallest,) = loaded.decode(loaded.smallest)
        path = tmp_path / "chosen.yaml"
        write_subnet(SubnetFile(name="chosen", space=space, genes=dict(smallest.values)), path)
        path.write_text(change(path.read_text()))
        return path

    return write


@pytest.mark.parametrize(
    ("own", "other"), [("mbconv-stage", "mbconv-block"), ("mbconv-block", "mbconv-stage")]
)
def test_genes_of_another_space_are_recognised(written, own, other):
    assert read_subnet(written(own)).space == own
    path = written(own, lambda text: text.replace(f"space: {own}", f"space: {other}"))
    with pytest.raises(ValueError, match=f"these are genes of {own}, not of {other}; correct"):
        read_subnet(path)


def test_a_slip_in_a_gene_suggests_the_nearest(written):
    path = written("mbconv-stage", lambda text: text.replace("stage1_depth", "stage1_dpth"))
    with pytest.raises(ValueError, match="unknown gene 'stage1_dpth'; did you mean 'stage1_depth'"):
        read_subnet(path)


def test_values_and_missing_genes_are_named(written):
    with pytest.raises(ValueError, match=r"chosen\.yaml: stem = 9"):
        read_subnet(written("mbconv-stage", lambda text: text.replace("stem: 8", "stem: 9")))
    with pytest.raises(ValueError, match=r"lacks the active genes \['stem'\]"):
        read_subnet(written("mbconv-stage", lambda text: text.replace("  stem: 8\n", "")))
