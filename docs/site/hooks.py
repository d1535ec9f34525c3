"""What the documentation takes from elsewhere: files of the repository, and the command line.

MkDocs calls the functions named ``on_...``. Pages of the repository that lie outside this folder
(measurements, the changelog, ...) become pages of the site; links between them and the others are
the relative ones that work in the repository, too.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
#: Pages outside the folder of the documentation, each with its place in the site.
ELSEWHERE = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples/README.md": "examples.md",
    "benchmarks/README.md": "measurements/index.md",
    "mcu_nas_moo/training/supernet/artifacts/MODEL_CARD.md": "reference/model-card.md",
} | {
    path.relative_to(ROOT).as_posix(): f"measurements/{path.name}"
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.md"))
}
ELSEWHERE |= {
    f"examples/{path.name}": f"examples/{path.name}"
    for path in sorted((ROOT / "examples").glob("own_*"))
    if path.is_file()
}
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):<code>~?([^<]*)</code>")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^::: commands of (\S+)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere."""
    for path, place in ELSEWHERE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to places in the site, and put the command line where it is asked for."""
    place = Path(page.file.src_uri)
    source = next((ROOT / path for path, to in ELSEWHERE.items() if to == place.as_posix()), None)
    source = source or Path(config.docs_dir) / place

    def link(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / match[1]))
        if target.is_relative_to(config.docs_dir):
            to = target.relative_to(config.docs_dir).as_posix()
        else:
            to = ELSEWHERE.get(target.relative_to(ROOT).as_posix(), "")
        shown = files.get_file_from_path(to)
        if shown and not shown.inclusion.is_excluded():
            return f"]({os.path.relpath(to, place.parent)}{match[2] or ''})"
        if not target.exists():
            return match[0]  # MkDocs says that it leads nowhere
        return f']({_NOWHERE} "{target.relative_to(ROOT).as_posix()}")'

    kept: list[str] = []
    markdown = _CODE.sub(lambda match: kept.append(match[0]) or f"\0{len(kept) - 1}\0", markdown)
    markdown = _LINK.sub(link, markdown)
    markdown = re.sub(rf'\[([^\]]+)\]\({_NOWHERE} "([^"]+)"\)', _named, markdown)
    markdown = re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], markdown)
    return _COMMANDS.sub(lambda match: "\n".join(program(match[1])), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show names in docstrings, which are written for Sphinx, as names."""
    return _ROLE.sub(r"<code>\1</code>", html).replace("::</p>", ":</p>")


#: Stands for files that are in the repository and not in the site.
_NOWHERE = "nowhere:"


def _named(match: re.Match[str]) -> str:
    """The text of a link to a file that the site does not hold, with the file's path."""
    text, path = match.groups()
    return f"`{path}`" if text.strip("`") in path else f"{text} (`{path}`)"


def program(name: str) -> Iterator[str]:
    """All commands of a program in Markdown, as the program itself describes them.

    Args:
        name: of the program, as ``mcu-nas=module:object``.
    """
    name, _, place = name.partition("=")
    module, _, attribute = place.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    yield from _command(command, click.Context(command, info_name=name, **_settings(command)))


def _settings(command: click.Command) -> dict[str, Any]:
    return dict(command.context_settings)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    depth = len(context.command_path.split())
    yield f"{'#' * (depth + 1)} `{context.command_path}`\n"
    yield from _prose(command.help or "")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [record for record in records if record]
    if rows:
        yield "| option | meaning |\n| --- | --- |"
        yield from (f"| {_names(names)} | {_cell(text)} |" for names, text in rows)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                settings = _settings(inner)
                yield from _command(
                    inner, click.Context(inner, info_name=name, parent=context, **settings)
                )


def _names(text: str) -> str:
    """The names of an option as code, and what it takes."""
    return re.sub(r"(-{1,2}[\w-]+)", r"`\1`", _plain(text))


def _cell(text: str) -> str:
    return _with_options(_plain(text))


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _with_options(text: str) -> str:
    """The same text with options that it mentions as code."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = (re.sub(r"(?<![\w-])(--[a-z-]*[a-z])", r"`\1`", part) for part in parts[::2])
    return "".join(parts)


def _prose(text: str) -> Iterator[str]:
    """Paragraphs of a help text; those that click keeps as they are hold examples."""
    for paragraph in re.split(r"\n\s*\n", text.replace("\f", "").strip()):
        lines = paragraph.splitlines()
        if lines and lines[0].strip() == "\b":
            title, *examples = lines[1:]
            if not title.rstrip().endswith(":"):
                title, examples = "", lines[1:]
            yield f"{title.strip()}\n"
            yield "```sh\n" + "\n".join(line.strip() for line in examples) + "\n```\n"
        else:
            yield _with_options(_plain("\n".join(lines))) + "\n"
