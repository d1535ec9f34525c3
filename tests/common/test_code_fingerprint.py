"""Which changes of source code count as changes of what it does."""

from __future__ import annotations

import pytest

from mcu_nas_moo.common.code_fingerprint import code_fingerprint

SOURCE = '''"""Module."""
from __future__ import annotations
from typing import TYPE_CHECKING
import numpy as np
if TYPE_CHECKING:
    from there import Thing

#: Of a step.
SIZE = 3

def step(x: Thing) -> int:
    """One step."""
    from math import floor
    return floor(x) * SIZE  # rounded

class Step:
    """A step."""
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""One step."""', '"""Another word for it."""'),
        ("import numpy as np\n", ""),
        ("from there import Thing", "from elsewhere.entirely import Thing"),
        ("  # rounded", ""),
        ("    from math import floor\n", ""),
        ("floor(x) * SIZE", "(floor(x)\n        * SIZE)"),
        ('    """A step."""\n', "    pass\n"),
        ("if TYPE_CHECKING:\n    from there import Thing\n", ""),
    ],
)
def test_what_decides_nothing_does_not_count(old, new):
    assert old in SOURCE
    assert code_fingerprint([SOURCE.replace(old, new)]) == code_fingerprint([SOURCE])


@pytest.mark.parametrize(
    ("old", "new"), [("SIZE = 3", "SIZE = 4"), ("floor(x)", "floor(x + 1)"), ("SIZE", "WIDTH")]
)
def test_what_decides_something_counts(old, new):
    assert code_fingerprint([SOURCE.replace(old, new)]) != code_fingerprint([SOURCE])


def test_the_order_and_the_borders_of_modules_count():
    one, other = "a = 1\n", "b = 2\n"
    assert code_fingerprint([one, other]) != code_fingerprint([other, one])
    assert code_fingerprint([one, other]) != code_fingerprint([one + other])


def test_a_branch_that_only_imports_keeps_its_other_side():
    source = "if fast:\n    import quick\nelse:\n    slow()\n"
    assert code_fingerprint([source]) != code_fingerprint(["slow()\n"])
