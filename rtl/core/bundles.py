# SPDX-License-Identifier: Apache-2.0
"""Bundles that pass between issue, the two slots and thread control."""

from amaranth.lib import data

from rtl.core.fetch import FetchedLayout
from rtl.core.scalar_registers import ScalarWrites

__all__ = ["IssueLayout", "RetireLayout", "write_scalar"]


class IssueLayout(data.StructLayout):
    """An instruction on its way into a slot: its thread, what was fetched, and its scalar operands."""

    def __init__(self):
        super().__init__({"thread": 2, "fetched": FetchedLayout(), "rs1": 64, "rs2": 64})


class RetireLayout(data.StructLayout):
    """An instruction in stage M: it retires, or has trapped, at the end of the cycle."""

    def __init__(self):
        super().__init__(
            {
                "valid": 1,
                "thread": 2,
                "pc": 64,
                "insn": 32,
                "trap": 1,
                "cause": 6,
                "value": 64,
                "writes": ScalarWrites(),
            }
        )


def write_scalar(writes, number, value, enable) -> list:
    """Statements that put one register write into ``writes``, in the half that the register is in."""
    statements = []
    for parity in range(2):
        statements += [
            writes.valid[parity].eq(enable & (number[0] == parity) & number.any()),
            writes.number[parity].eq(number[1:]),
            writes.data[parity].eq(value),
        ]
    return statements
