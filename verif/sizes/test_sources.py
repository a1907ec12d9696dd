# SPDX-License-Identifier: Apache-2.0
"""Hardware that was measured counts as changed if, and only if, something changed that it is made from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from verif.sizes import record
from verif.sizes.grid import SIZES
from verif.sizes.sources import imported, meaning


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the sources, in which tests change something."""
    root = Path(__file__).resolve().parents[2]
    for package in ("rtl", "golden"):
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(record, "_ROOT", tmp_path)
    monkeypatch.setattr(record, "imported", lambda names, without: imported(names, without, tmp_path))
    yield tmp_path
    record._sources.cache_clear()


def key() -> str:
    record._sources.cache_clear()
    return record.hardware_key(SIZES[0])


@pytest.mark.parametrize(
    "name, old, new, counts",
    [
        ("rtl/core/alu.py", "\nclass ", "\n# A remark.\nclass ", False),
        ("rtl/core/alu.py", '"""', '"""Something else. ', False),
        ("rtl/core/alu.py", "m = Module()", "m = Module()\n        m.d.comb += []", True),
        ("rtl/network/fifo.py", "m = Module()", "m = Module()\n        m.d.comb += []", True),
        ("rtl/sequential/core.py", "m = Module()", "m = Module()\n        m.d.comb += []", False),
        ("rtl/macros/simd.cpp", "#include", "#define CHANGED\n#include", True),
        ("golden/layout.py", "OFFSET_BITS = ", "OFFSET_BITS = 1 + ", True),
        ("golden/config.py", "PRESETS: dict[str, NodeConfig] = {", "PRESETS: dict[str, NodeConfig] = {} | {", False),
        ("golden/config.py", "MATRIX_K = ", "MATRIX_K = 1 + ", True),
        ("golden/node.py", "import ", "import sys\nimport ", False),
    ],
)
def test_a_change_counts_if_hardware_is_made_from_it(copy: Path, name: str, old: str, new: str, counts: bool) -> None:
    before = key()
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1))
    assert (key() != before) == counts


def test_imports_are_followed_at_any_depth_and_through_packages(tmp_path: Path) -> None:
    sources = {
        "top.py": "from inner import part, number\nimport elsewhere.thing\n",
        "inner/__init__.py": "from base import something\nnumber = 1\n",
        "inner/part.py": "def f():\n    from inner.late import later\n",
        "inner/late.py": "from left_out.module import value\n",
        "base.py": "",
        "left_out/__init__.py": "",
        "left_out/module.py": "",
        "unused.py": "",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {path.relative_to(tmp_path).as_posix() for path in imported(["top"], ["left_out"], tmp_path)}
    assert found == {"top.py", "inner/__init__.py", "inner/part.py", "inner/late.py", "base.py"}


def test_the_meaning_of_a_source_is_what_python_executes(tmp_path: Path) -> None:
    path = tmp_path / "source.py"

    def meant(text: str) -> str:
        path.write_text(text)
        return meaning(path, ("TABLE",))

    plain = meant("class A:\n    def f(self):\n        return 1\n")
    assert (
        meant('"""About."""\nclass A:\n    """It."""\n\n    def f(self):  # Why.\n        """Does."""\n        return (1)\n')
        == plain
    )
    assert meant("TABLE: int = 5\nclass A:\n    def f(self):\n        return 1\n") == plain
    assert meant("class A:\n    def f(self):\n        return 2\n") != plain
