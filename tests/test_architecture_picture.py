"""The picture of the packages shows what the source says."""

import importlib.util
import re
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("draw", ROOT / "docs" / "draw_architecture.py")
draw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw)


def texts_of(path):
    """Texts of a picture with the height at which they stand."""
    texts = {}
    for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text"):
        text = "".join(element.itertext())
        moved = re.search(r"translate\(\S+ (\S+)\)", element.get("transform", ""))
        texts.setdefault(text, []).append(float(moved[1] if moved else element.get("y")))
    return texts


def test_packages_stand_in_their_order_with_their_lines(tmp_path):
    draw.main(["--out", str(tmp_path / "picture.svg")])
    texts = texts_of(tmp_path / "picture.svg")
    names = [path.parent.name for path in (ROOT / "mcu_nas_moo").glob("*/__init__.py")]
    assert set(names) <= set(texts)
    assert max(texts["cli"]) < max(texts["search"]) < max(texts["problem"]) < max(texts["common"])
    for name in names:
        files = (ROOT / "mcu_nas_moo" / name).rglob("*.py")
        lines = sum(path.read_bytes().count(b"\n") for path in files)
        assert f"{lines:,}" in texts
    assert "no imports lead upwards" in texts


def test_the_committed_picture_shows_today_s_packages():
    """Numbers of lines change with every commit; packages and parts must not be missing."""
    shown = " ".join(texts_of(ROOT / "docs" / "architecture.svg"))
    names = [one.name for layer in draw.layers() for one in layer]
    parts = [part for layer in draw.layers() for one in layer for part in one.parts]
    missing = [name for name in names + parts if not re.search(rf"\b{name}\b", shown)]
    assert not missing, f"{missing}: run python docs/draw_architecture.py"


def test_imports_are_counted_between_packages_only():
    counts = draw.imports()
    assert counts["cli", "search"] > 0
    assert counts["common", "cli"] == 0
    assert all(one != other for one, other in counts)
