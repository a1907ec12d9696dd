# SPDX-License-Identifier: Apache-2.0
"""Arrays to run on: the compiled hardware or the golden model, made by one call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golden.config import NodeConfig
from golden.mesh import GoldenArray
from scripts.d1.errors import CommandError
from scripts.d1.memory import require_memory
from scripts.d1.options import ArrayShape
from scripts.d1.report import Stages
from scripts.d1.trace import trace_golden
from sw.host import ArrayBackend


@dataclass
class OpenedArray:
    """An array that is ready, and what it is.

    Attributes
    ----------
    array : ArrayBackend
    description : str
        For titles, such as ``2x2 'd1', rtl with macro arithmetic``.
    facts : dict
        The same for JSON.
    notes : list of str
        Lines for the user at the end, such as where waveforms are.
    """

    array: ArrayBackend
    description: str
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """What ran, as JSON has it."""
        return dict(self.facts)


@contextmanager
def open_array(
    config: NodeConfig,
    shape: ArrayShape,
    backend: str,
    arithmetic: str,
    stages: Stages,
    *,
    trace: Path | None = None,
    waves: Path | None = None,
    symbols: Mapping[str, int] | None = None,
) -> Iterator[OpenedArray]:
    """Make an array, with its simulator built first if it has to be.

    Parameters
    ----------
    backend : str
        ``rtl`` or ``golden``.
    arithmetic : str
        ``rtl`` or ``macro``; without effect on the golden model.
    trace, waves : Path, optional
        Files for the retirement log and for waveforms.
    symbols : mapping of str to int, optional
        Names for the retirement log.

    Raises
    ------
    CommandError
        If it does not fit into memory, or waveforms are wanted of the golden model.
    """
    require_memory(config, shape)
    if backend == "golden":
        if waves is not None:
            raise CommandError("--waves records signals, and the golden model has none; leave out --backend golden")
        array = GoldenArray(config, shape.rows, shape.columns)
        opened = OpenedArray(
            array,
            f"{shape} '{config.name}', golden model",
            {"config": config.name, "array": str(shape), "backend": backend, "arithmetic": None},
        )
        with contextlib.ExitStack() as stack:
            if trace is not None:
                trace_golden(array, stack.enter_context(trace.open("w")), symbols or {})
                opened.notes.append(f"trace: {trace}")
            yield opened
        return
    raise CommandError("not there yet")
