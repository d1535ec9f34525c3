"""Type the commands of the tutorials and the how-to pages again, and put their output into them.

python benchmarks/retype_pages.py [PAGE ...]

Each page is typed in an empty folder of its own: blocks with a title become files there, and each
line that starts with ``$`` in a block marked ``console`` is run. A page whose command fails stays
as it was. All pages together take some minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from deploy_walkthrough import remade

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted([*DOCS.glob("tutorials/*.md"), *DOCS.glob("how-to/*.md")])


def main() -> None:
    """Remake the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", type=Path, nargs="*", default=PAGES)
    for page in parser.parse_args().pages:
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(remade(page.read_text("utf-8"), Path(folder)), "utf-8")


if __name__ == "__main__":
    main()
