# SPDX-License-Identifier: Apache-2.0
"""The retirement log: one disassembled line per instruction that retired or trapped, for every node and thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TextIO

import numpy as np
import numpy.typing as npt

from golden.instruction import Retirement
from golden.isa import SCALAR_REGISTERS
from golden.layout import Cause
from golden.mesh import GoldenArray
from sw.disassembler import disassemble


def trace_line(cycle: int, row: int, column: int, record: Retirement, symbols: Mapping[str, int]) -> str:
    """One line: cycle, node, thread, address, word, text, and what was written or why it trapped."""
    place = f"{cycle:>9} r{row}c{column}t{record.thread} {record.pc:#x} {record.word:08x}"
    text = disassemble(record.word, record.pc, symbols)
    if record.cause is not None:
        name = Cause(record.cause).name if record.cause in set(Cause) else str(record.cause)
        effect = f"trap {name}, value {record.value:#x}"
    else:
        effect = ", ".join(f"{SCALAR_REGISTERS[register]} = {value:#x}" for register, value in record.writes)
    return f"{place}  {text:<36} {effect}".rstrip()


def trace_golden(array: GoldenArray, target: TextIO, symbols: Mapping[str, int]) -> None:
    """Log everything that the array retires from now on; the cycle is the model's, which counts instructions."""

    def observer(row: int, column: int) -> Callable[[Retirement], None]:
        return lambda record: print(trace_line(array.cycle, row, column, record, symbols), file=target)

    for x, y in array.topology.sites():
        array.node(x, y).on_retire = observer(y, x)


def trace_records(records: npt.NDArray[np.void], target: TextIO, symbols: Mapping[str, int]) -> None:
    """Log what the compiled array retired, as ``SimulatedArray.retirements`` gives it."""
    for each in records:
        writes = [
            (int(each["rd_address"][element]), int(each["rd_data"][element]))
            for element in range(2)
            if each["rd_valid"] >> element & 1
        ]
        trapped = bool(each["trap"])
        record = Retirement(
            thread=int(each["thread"]),
            pc=int(each["pc"]),
            word=int(each["insn"]),
            cause=int(each["cause"]) if trapped else None,
            value=int(each["value"]) if trapped else None,
            writes=tuple(writes),
        )
        print(trace_line(int(each["cycle"]), int(each["y"]), int(each["x"]), record, symbols), file=target)
