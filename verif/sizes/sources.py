# SPDX-License-Identifier: Apache-2.0
"""What a module is made from: the sources that it imports, and what they say beside comments."""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterator
from pathlib import Path

__all__ = ["imported", "meaning"]

_ROOT = Path(__file__).resolve().parents[2]


def imported(names: Collection[str], without: Collection[str] = (), root: Path = _ROOT) -> list[Path]:
    """Sources of modules and of all of the project's that they import, directly or not, sorted.

    Parameters
    ----------
    names : collection of str
        Modules, such as ``rtl.node``.
    without : collection of str
        Packages that are left out, with what only they import.
    root : Path
        Folder of the packages.
    """
    found: dict[str, Path] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        if name in found or any(name == package or name.startswith(f"{package}.") for package in without):
            continue
        path = root.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if not path.is_file():
            continue
        found[name] = path
        # A module's packages are imported before it.
        wanted += [name.rpartition(".")[0], *_imports(path.read_text())]
    return sorted(found.values())


@functools.cache
def _imports(text: str) -> tuple[str, ...]:
    """Names of what may be modules, at any depth of a source."""
    return tuple(_imported_names(ast.parse(text)))


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "the project's imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def meaning(path: Path, without: Collection[str] = ()) -> str:
    """What a source says: Python without comments, docstrings and layout, anything else as it is.

    Values of the names in ``without`` that a Python module has are left out as well.
    """
    text = path.read_text()
    return _python_meaning(text, tuple(without)) if path.suffix == ".py" else text


@functools.cache
def _python_meaning(text: str, without: tuple[str, ...]) -> str:
    tree = ast.parse(text)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in without)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree, annotate_fields=False)
