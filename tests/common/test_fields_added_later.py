"""Fields that fingerprints of before do not know."""

from typing import Annotated

from mcu_nas_moo.common.yaml_files import AddedLater, Facts


class Inner(Facts):
    depth: int = 2
    padding: Annotated[int, AddedLater()] = 0


class Outer(Facts):
    size: int = 1
    inner: Inner = Inner()


def test_a_field_added_later_is_not_written_at_its_default():
    # Fields of the first edition are always written, later ones only where they differ.
    assert Outer().model_dump(mode="json") == {"size": 1, "inner": {"depth": 2}}
    other = Outer(inner=Inner(padding=3))
    assert other.model_dump(mode="json") == {"size": 1, "inner": {"depth": 2, "padding": 3}}
    assert Outer.model_validate(other.model_dump()) == other
