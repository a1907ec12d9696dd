# SPDX-License-Identifier: Apache-2.0
"""What all matrix products on arrays share: their errors and results, and a run between loading and reading back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from golden.layout import ControlRegister, FormatDescriptor
from golden.program import Program
from golden.topology import Site
from sw.host import ArrayBackend, RunReport, control_registers, run_program
from sw.kernels.operands import CODE_BYTES, Operands
from sw.kernels.packing import Fp32Codes, OperandCodes
from sw.run_state import RunState

#: Called with a stage's name, and how much of how much is done.
Progress = Callable[[str, int, int], None]

#: Cycles that a run may take: per step or line sent, and beyond. Far more than it needs, so that only a defect reaches it.
_CYCLES_PER_STEP = 64
_CYCLES_BEYOND = 200_000


class MatmulError(ValueError):
    """A product that cannot be computed; the message says what is wrong, what is needed and what there is."""


class MatmulFailed(RuntimeError):
    """A run that did not end with success; ``report`` has every node."""

    def __init__(self, report: RunReport):
        super().__init__(report.summary())
        self.report = report


@dataclass
class ProductState(RunState):
    """Where the run of a product stands: a run that goes on from it loads nothing.

    Members
    -------
    counted : list of list of int
        What each node had counted before the run.
    """

    counted: list[list[int]] = field(default_factory=list)

    def as_dict(self, further: int = 0) -> dict[str, Any]:
        """As of any run."""
        return super().as_dict(further) | {"counted": self.counted}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ProductState:
        """As of any run."""
        return cls(**vars(RunState.from_dict(values)), counted=values["counted"])


@dataclass(frozen=True)
class MatmulResult:
    """What a run gave.

    Attributes
    ----------
    c : uint32 array (m, n)
        FP32 codes.
    cycles : int
        From the first start of a thread in any node to the last stop in any.
    steps_per_node, cycles_per_node : tuple of int
        Matrix steps, and cycles from a node's first start to its last stop, row by row.
    utilisation_per_node : tuple of float
        Steps per cycle of each node's matrix unit, 0 to 1.
    packets : int
        Request packets that nodes sent while it ran: their threads, and their lists to other nodes.
    bank_conflicts : int
        Accesses that had to wait for a bank.
    lines_loaded, lines_stored : int
        Lines that threads read from SRAM, and writes of theirs into it.
    seconds : float
        Time that the run took, without loading and reading back.
    processor_seconds : float
        Time that processors worked for it, of all threads together, which other work on the machine does not change much.
    report : RunReport
    """

    c: Fp32Codes
    cycles: int
    steps_per_node: tuple[int, ...]
    cycles_per_node: tuple[int, ...]
    utilisation_per_node: tuple[float, ...]
    packets: int
    bank_conflicts: int
    lines_loaded: int
    lines_stored: int
    seconds: float
    processor_seconds: float
    report: RunReport

    @property
    def utilisation(self) -> float:
        """Mean over the nodes."""
        return sum(self.utilisation_per_node) / len(self.utilisation_per_node)

    @property
    def lines_loaded_per_step(self) -> float:
        """Lines that threads read from SRAM, over matrix steps: operands, and what nodes send to others."""
        return self.lines_loaded / sum(self.steps_per_node)


def planned_operands(
    rows: int, columns: int, m: int, n: int, k: int, a_format: FormatDescriptor, b_format: FormatDescriptor
) -> Operands:
    """Operands of a product of A, m x k, and B, k x n, on a grid of rows x columns nodes.

    Raises
    ------
    MatmulError
        If a length is below 1, or a format is no operand.
    """
    for name, value in (("rows", rows), ("columns", columns), ("m", m), ("n", n), ("k", k)):
        if value < 1:
            raise MatmulError(f"{name} = {value} is not allowed; it must be at least 1")
    try:
        return Operands(a_format, b_format)
    except ValueError as error:
        raise MatmulError(str(error)) from None


def check_operands(a_codes: OperandCodes, b_codes: OperandCodes, a_format: FormatDescriptor, b_format: FormatDescriptor) -> None:
    """Refuse matrices that cannot be multiplied.

    Raises
    ------
    MatmulError
        If the shapes do not fit each other, or codes are not of their format's type.
    """
    if a_codes.ndim != 2 or b_codes.ndim != 2 or a_codes.shape[1] != b_codes.shape[0]:
        raise MatmulError(f"shapes {a_codes.shape} and {b_codes.shape} cannot be multiplied")
    for name, codes, descriptor in (("A", a_codes, a_format), ("B", b_codes, b_format)):
        # What is no operand at all is found by the plan.
        if descriptor.kind in CODE_BYTES and codes.dtype != (wanted := np.dtype(f"u{CODE_BYTES[descriptor.kind]}")):
            raise MatmulError(f"codes of {name} are {codes.dtype}; those of {descriptor.kind.name} are {wanted}")


def run_loaded(
    array: ArrayBackend,
    program: Program,
    sites: Sequence[Site],
    work: int,
    read: Callable[[], Fp32Codes],
    tell: Progress,
    state: ProductState,
) -> MatmulResult:
    """Run a product that is loaded already, read its result, and say what it took.

    Parameters
    ----------
    array : ArrayBackend
    program : Program
    sites : sequence of (x, y)
        Nodes that take part, in the order of the result's figures.
    work : int
        Matrix steps of the node that has most, and lines that travel, together: they limit the cycles.
    read : callable
        Gives C once the run is over.
    tell : callable
        Told about the stage "run".
    state : ProductState
        Kept up to date while it runs; a run that was started already goes on.

    Raises
    ------
    MatmulFailed
        If a node did not end with success.
    """
    tell("run", 0, 1)
    counters = (
        ControlRegister.MATRIX_STEPS,
        ControlRegister.REQUESTS_SENT,
        ControlRegister.BANK_CONFLICTS,
        ControlRegister.LINES_LOADED,
        ControlRegister.LINES_STORED,
    )
    if not state.started:
        state.counted = [list(each) for each in control_registers(array, sites, counters)]
    started, worked = time.perf_counter(), time.process_time()
    report = run_program(array, program, _CYCLES_BEYOND + _CYCLES_PER_STEP * work, sites, load=False, state=state)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - worked
    tell("run", 1, 1)
    if not report.passed:
        raise MatmulFailed(report)
    after = control_registers(array, sites, counters)
    steps, packets, conflicts, loaded, stored = (
        [late[i] - early[i] for early, late in zip(state.counted, after, strict=True)] for i in range(len(counters))
    )
    times = control_registers(array, sites, (ControlRegister.FIRST_START, ControlRegister.LAST_STOP))
    cycles = [stop - start for start, stop in times]
    return MatmulResult(
        c=read(),
        cycles=report.cycles,
        steps_per_node=tuple(steps),
        cycles_per_node=tuple(cycles),
        utilisation_per_node=tuple(s / c if c else 0.0 for s, c in zip(steps, cycles, strict=True)),
        packets=sum(packets),
        bank_conflicts=sum(conflicts),
        lines_loaded=sum(loaded),
        lines_stored=sum(stored),
        seconds=seconds,
        processor_seconds=processor_seconds,
        report=report,
    )
