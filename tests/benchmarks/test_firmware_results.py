"""What README and issue say of benchmarks/results/firmware.md, read off its tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "benchmarks" / "results" / "firmware.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| mbconv-")
]
SUBNETS = [row for row in ROWS if len(row) == 10]
COMPILERS = [row for row in ROWS if len(row) == 7]


def test_twenty_random_subnets_of_both_spaces_are_bit_exact_on_three_cores():
    for space in ("mbconv-stage", "mbconv-block"):
        assert sum(row[0].startswith(space) for row in SUBNETS) >= 10
    assert len(SUBNETS) >= 20
    for row in SUBNETS:
        counts = [int(count) for count in row[7].split("/")]
        assert len(counts) == 3
        assert min(counts) >= 100
        assert float(row[3]) <= 1.05
        assert max(map(float, row[4:7])) <= 2.5


def test_the_readme_tells_these_figures():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    by_zig = [float(row[3]) for row in COMPILERS if row[2].startswith("zig")]
    assert len(by_zig) == 6
    assert max(by_zig) <= 2.5
    assert {row[6] for row in COMPILERS} == {"yes"}
    (section,) = re.findall(r"## From the front to firmware\n(.*?)\n## ", readme, flags=re.DOTALL)
    text = " ".join(section.split())
    every = [float(cell) for row in SUBNETS for cell in row[4:7]]
    assert f"On {len(SUBNETS)} random subnets" in text
    assert f"{min(every):.2f} to {max(every):.2f} instructions per MAC" in text
    assert f"{min(by_zig):.1f} to {max(by_zig):.1f} by zig's clang" in text
