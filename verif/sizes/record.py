# SPDX-License-Identifier: Apache-2.0
"""The record of what was measured of sizes, under version control: what a machine has found out, all can list."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.simulator.cache import digest
from verif.sizes.grid import Size, parse_size
from verif.sizes.measure import Execution
from verif.sizes.sources import imported, meaning

__all__ = ["RECORD", "Entry", "complete", "hardware_key", "load", "save"]

#: The record.
RECORD = Path(__file__).with_name("measured.json")

_ROOT = Path(__file__).resolve().parents[2]

#: Modules that make the hardware, with all that they import ...
_HARDWARE = ("rtl.node", "rtl.export")

#: ... but for this package: no size has a sequential core.
_OTHER_HARDWARE = ("rtl.sequential",)

#: Values in these modules that the hardware of a size does not depend on, since its configuration is known.
_OTHER_VALUES = ("PRESETS",)

#: What hardware is made from beside Python.
_OTHER_SOURCES = (".cpp", ".h", ".sv", ".v", ".vlt")


@dataclass
class Entry:
    """What is known of a size.

    Attributes
    ----------
    execution : Execution or None
    area : dict of str to dict of str to int
        By part and kind; empty if it was not measured.
    hardware : str
        Key of the hardware that was measured.
    """

    execution: Execution | None = None
    area: dict[str, dict[str, int]] = field(default_factory=dict)
    hardware: str = ""


def hardware_key(size: Size) -> str:
    """Digest of what the sources of the hardware say now, without comments, and of a size's configuration."""
    return digest([], _sources(), size.built.config.key)


@functools.cache
def _sources() -> str:
    modules = imported(_HARDWARE, _OTHER_HARDWARE)
    # C++ and Verilog lie beside the modules that read them.
    others = {path for folder in {path.parent for path in modules} for path in folder.iterdir() if path.suffix in _OTHER_SOURCES}
    return digest(
        [(path.relative_to(_ROOT).as_posix(), meaning(path, _OTHER_VALUES).encode()) for path in (*modules, *sorted(others))]
    )


def load() -> dict[Size, Entry]:
    """What is recorded.

    Raises
    ------
    ValueError
        If the file is no record; the message names it.
    """
    if not RECORD.exists():
        return {}
    try:
        entries: Mapping[str, Mapping[str, Any]] = json.loads(RECORD.read_text())["sizes"]
        return {parse_size(name): _entry(entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{RECORD} is no record of sizes ({error}); restore it from version control, or delete it to begin anew"
        ) from error


def _entry(kept: Mapping[str, Any]) -> Entry:
    entry = Entry(None, kept["area"], kept["hardware"])
    if kept["execution"]:
        rates = {name: tuple(pair) for name, pair in kept["execution"]["instructions_per_cycle"].items()}
        entry.execution = Execution(**{**kept["execution"], "instructions_per_cycle": rates})
    return entry


def save(entries: Mapping[Size, Entry]) -> None:
    """Write the record: a line for each size, in their order, so that versions can be compared."""
    lines = [f"  {json.dumps(str(size))}: {json.dumps(asdict(entries[size]), sort_keys=True)}" for size in sorted(entries)]
    RECORD.write_text('{"sizes": {\n' + ",\n".join(lines) + "\n}}\n")


def complete(entries: Mapping[Size, Entry]) -> set[Size]:
    """Sizes that were measured in full on the hardware as it is now."""
    return {s for s, entry in entries.items() if entry.execution and entry.area and entry.hardware == hardware_key(s)}
