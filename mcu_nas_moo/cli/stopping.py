"""What a command that continues where it was stopped says when it is stopped."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def said_when_stopped(kept: str) -> Iterator[None]:
    """When the user interrupts, say on one line what is kept where, and end with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"Stopped. {kept}; the same command continues.", err=True)
        raise SystemExit(130) from None
