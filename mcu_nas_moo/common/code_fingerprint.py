"""What source code does, told apart from how it is written and where it lies.

Results are comparable as long as the code that decided them is the same. Moving a module, sorting
its imports or rewording its explanations changes no decision, and so must not part old results
from new ones.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def code_fingerprint(sources: Iterable[str]) -> str:
    """Hash of what Python sources do, in their order; hexadecimal.

    Imports, comments, docstrings and layout do not count. Names do.

    Args:
        sources: texts of modules.

    Raises:
        SyntaxError: if one is not Python.
    """
    digest = hashlib.sha256()
    for source in sources:
        tree = _WithoutImports().visit(ast.parse(source))
        digest.update(ast.unparse(tree).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def class_fingerprint(thing: object) -> str:
    """Hash of what a function or the class of an object does: of its module's source, if any.

    Else of its own source, as in a notebook, or of its name if there is none either.
    """
    kind = thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
    name = f"{kind.__module__}.{kind.__qualname__}"
    for place in (inspect.getmodule(kind), kind):
        try:
            return code_fingerprint([name, dedent(inspect.getsource(place))])  # type: ignore[arg-type]
        except (OSError, TypeError, SyntaxError):
            continue
    return hashlib.sha256(name.encode()).hexdigest()


#: Statements that need a body.
_BLOCKS = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.With, ast.For, ast.While, ast.Try, ast.ExceptHandler),
)


class _WithoutImports(ast.NodeTransformer):
    """Drops imports, docstrings and conditions under which nothing is left."""

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node

    def visit_If(self, node: ast.If) -> ast.stmt | None:
        self.generic_visit(node)
        if not node.body and not node.orelse:
            return None  # such as ``if TYPE_CHECKING``
        node.body = node.body or [ast.Pass()]
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, _BLOCKS) and not node.body:
            node.body = [ast.Pass()]
        return node
