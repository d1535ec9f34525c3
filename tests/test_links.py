"""Pages name files, headings and modules that exist."""

import re
from pathlib import Path
from pkgutil import resolve_name
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for place in (
        "*.md",
        "docs/**/*.md",
        "benchmarks/**/*.md",
        "examples/*.md",
        "mcu_nas_moo/**/*.md",
    )
    for path in ROOT.glob(place)
)
TOP = "|".join(["mcu_nas_moo", "benchmarks", "constraint_profiles", "docs", "examples", "tests"])


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors_of(page):
    """Anchors that GitHub makes of a page's headings, and the site of the names described there."""
    text = without_code(page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings]
    described = re.findall(r"^::: (\S+)$", text, flags=re.MULTILINE)
    return {heading.replace(" ", "-") for heading in plain} | {*described}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8")))
    for link in links:
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{link} is missing"
        assert not anchor or anchor in anchors_of(target), f"no heading for {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_and_modules_in_the_text_exist(page):
    text = page.read_text("utf-8")
    for path in re.findall(rf"(?<![\w/.-])((?:{TOP})/[\w./-]*[\w/])", text):
        if not re.search(r"-v\d+$", path):  # an environment of Gymnasium
            assert (ROOT / path).exists(), f"{path} is missing"
    for name in re.findall(r"\bmcu_nas_moo(?:\.[a-zA-Z_]\w*)+", text):
        resolve_name(name)


def test_every_script_of_the_benchmarks_is_described():
    text = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    scripts = [
        path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text()
    ]
    assert len(scripts) > 10
    assert [path.name for path in scripts if f"`{path.name}`" not in text] == []
