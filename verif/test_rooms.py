# SPDX-License-Identifier: Apache-2.0
"""Rooms import only what docs/architecture.md, section Rooms, allows them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("golden", "rtl", "sw", "verif", "fpga", "scripts")

#: Room -> rooms, or packages of them, that it may import besides itself. ``golden`` for rtl is narrowed further below.
ALLOWED: dict[str, set[str]] = {
    "golden": set(),
    "rtl": {"golden"},
    "sw": {"golden"},
    "verif": set(ROOMS),
    "fpga": {"rtl", "sw", "golden", "scripts.simulator"},
    "scripts": set(ROOMS),
}

#: The specification's data, which is all that hardware may see of ``golden``.
DATA_MODULES = {"golden.config", "golden.isa", "golden.layout", "golden.tables"}


def imports(source: str, package: str) -> Iterator[str]:
    """Modules that a source file imports, anywhere in it, as absolute dotted names.

    ``from golden import matrix`` counts as ``golden.matrix``, since it may import that module.

    Parameters
    ----------
    source : str
        Text of the file.
    package : str
        Dotted name of the package that holds it, for relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            if base in ROOMS:
                yield from (f"{base}.{alias.name}" for alias in node.names)
            else:
                yield base


def violations(path: Path, source: str) -> list[str]:
    """Imports of a file that its room may not make; ``path`` is relative to the project's folder."""
    room = path.parts[0]
    found = []
    for module in imports(source, ".".join(path.parts[:-1])):
        top = module.split(".")[0]
        if top in ROOMS:
            wrong = top != room and not any(f"{module}.".startswith(f"{allowed}.") for allowed in ALLOWED[room])
            wrong |= room == "rtl" and top == "golden" and module not in DATA_MODULES
        else:
            wrong = room == "golden" and top not in sys.stdlib_module_names and top != "numpy"
        if wrong:
            found.append(f"{path} imports {module}")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_it_may(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    found = [each for file in files for each in violations(file.relative_to(ROOT), file.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "file, source",
    [
        ("golden/a.py", "import amaranth"),
        ("golden/a.py", "from rtl import node"),
        ("golden/models/a.py", "from sw.elf import load_elf"),
        ("rtl/a.py", "from golden import matrix"),
        ("rtl/a.py", "def f():\n    import golden.formats"),
        ("rtl/core/a.py", "from verif import bench"),
        ("sw/a.py", "import rtl.node"),
        ("fpga/a.py", "from scripts import d1"),
        ("fpga/a.py", "import scripts.simulators"),
    ],
)
def test_forbidden_import_is_found(file: str, source: str) -> None:
    assert violations(Path(file), source)


@pytest.mark.parametrize(
    "file, source",
    [
        ("golden/a.py", "import numpy as np, json\nfrom golden.config import NodeConfig"),
        ("golden/models/a.py", "from ..config import NodeConfig\nfrom . import memory"),
        ("rtl/core/a.py", "from golden import isa\nfrom ..interfaces import ReadPort"),
        ("fpga/a.py", "from scripts.simulator.cache import Cache"),
        ("scripts/a.py", "import fpga.command, verif.bench"),
    ],
)
def test_allowed_import_passes(file: str, source: str) -> None:
    assert not violations(Path(file), source)
