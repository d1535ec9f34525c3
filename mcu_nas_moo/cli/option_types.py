"""What the values of options are."""

from pathlib import Path

import click

FILE = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
POSITIVE = click.IntRange(min=1)
NOT_NEGATIVE = click.IntRange(min=0)
