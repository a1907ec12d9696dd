# SPDX-License-Identifier: Apache-2.0
"""What random programs have executed: instructions of the table, causes of traps, CSRs, and pairs of pipes in one cycle."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from golden.isa import INSTRUCTIONS, Unit, decode
from golden.layout import CSR_NUMBERS, INJECTED_CSRS, Cause, Csr
from verif.rtl.core.hazards import Named, pipe_of

__all__ = ["Coverage"]

_PIPES = ("alu", "control", "load", "store", "simd", "matrix")

#: Of those that programs can name.
_CSR_NAMES = {number: name for name, number in CSR_NUMBERS.items() if number not in INJECTED_CSRS}


@functools.cache
def _mnemonic(word: int) -> str | None:
    row = decode(word)
    return row.mnemonic if row else None


@functools.cache
def _pipe(mnemonic: str) -> int:
    return _PIPES.index(pipe_of(Named(INSTRUCTIONS[mnemonic])))


class Coverage:
    """Counts of what has retired.

    Members
    -------
    instructions : Counter of str
        Retired, by mnemonic; ``ecall`` and ``ebreak``: trapped.
    causes : Counter of Cause
        Traps taken.
    csrs_read, csrs_written : Counter of str
        By name; read into another register than x0, written whether it is read or not.
    pairs : Counter of (str, str)
        Pipes of instructions that a thread retired in the same cycle, one right behind the other.
    """

    #: By what they execute; ``alu`` stands for both that execute plain integer operations.
    PIPES = _PIPES

    def __init__(self) -> None:
        self.instructions: Counter[str] = Counter()
        self.causes: Counter[Cause] = Counter()
        self.csrs_read: Counter[str] = Counter()
        self.csrs_written: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()

    def add(self, other: Coverage) -> None:
        """Add what was executed elsewhere."""
        for name, counts in vars(other).items():
            getattr(self, name).update(counts)

    def note(self, retirements: npt.NDArray[np.void]) -> None:
        """Add what an array retired (dtype ``scripts.simulator.library.RETIREMENT``, in the order of the cycles)."""
        traps = retirements["trap"] != 0
        causes, counts = np.unique(retirements["cause"][traps], return_counts=True)
        self.causes.update({Cause(int(cause)): int(count) for cause, count in zip(causes, counts, strict=True)})
        for mnemonic, cause in (("ecall", Cause.ECALL_MACHINE), ("ebreak", Cause.BREAKPOINT)):
            # All that these do is to trap.
            self.instructions[mnemonic] += int(np.count_nonzero(traps & (retirements["cause"] == cause)))
        retired = retirements[~traps]
        words, inverse, counts = np.unique(retired["insn"], return_inverse=True, return_counts=True)
        mnemonics = [_mnemonic(int(word)) for word in words]
        for word, retired_one, count in zip(words, mnemonics, counts, strict=True):
            # What is no instruction retires only where there are differences.
            if retired_one is not None:
                self.instructions[retired_one] += int(count)
                if INSTRUCTIONS[retired_one].unit is Unit.CSR:
                    self._note_csr(int(word), retired_one, int(count))
        self._note_pairs(retired, np.array([_pipe(m) if m else 0 for m in mnemonics], np.int64)[inverse])
        # These traps have no instruction that they belong to, but handlers look for their cause.
        reads = (retired["insn"] & 0xFFF0_007F == Csr.MCAUSE << 20 | 0x73) & (retired["rd_data"][:, 1] == Cause.NETWORK_ERROR)
        count = int(np.count_nonzero(reads & (retired["rd_valid"] == 2)))
        if count:
            self.causes[Cause.NETWORK_ERROR] += count

    def _note_csr(self, word: int, mnemonic: str, count: int) -> None:
        name = _CSR_NAMES.get(word >> 20)
        if name is None:
            return
        if word >> 7 & 31:
            self.csrs_read[name] += count
        if mnemonic.startswith("csrrw") or word >> 15 & 31:
            self.csrs_written[name] += count

    def _note_pairs(self, retired: npt.NDArray[np.void], pipes: npt.NDArray[np.int64]) -> None:
        thread = retired["y"].astype(np.int64) << 20 | retired["x"].astype(np.int64) << 4 | retired["thread"]
        order = np.argsort(thread, kind="stable")
        thread, cycle, pipes = thread[order], retired["cycle"][order], pipes[order]
        together = (thread[1:] == thread[:-1]) & (cycle[1:] == cycle[:-1])
        pairs, counts = np.unique((pipes[:-1] * len(_PIPES) + pipes[1:])[together], return_counts=True)
        for pair, count in zip(pairs, counts, strict=True):
            first, second = divmod(int(pair), len(_PIPES))
            self.pairs[_PIPES[first], _PIPES[second]] += int(count)

    @property
    def missing_instructions(self) -> list[str]:
        """Of the table, in its order."""
        return _missing(INSTRUCTIONS, self.instructions)

    @property
    def missing_causes(self) -> list[str]:
        """Of traps."""
        return [cause.name for cause in Cause if not self.causes[cause]]

    @property
    def missing_csrs(self) -> list[str]:
        """Neither read nor written."""
        return _missing(_CSR_NAMES.values(), self.csrs_read + self.csrs_written)

    @property
    def possible_pairs(self) -> list[tuple[str, str]]:
        """Pipes that a thread can use in one cycle, in this order.

        Each takes one instruction per cycle. What reads memory is apart from what writes it; matrix steps from registers do
        neither.
        """
        apart = (("load", "store"), ("store", "load"))
        return [(a, b) for a in _PIPES for b in _PIPES if (a != b or a == "alu") and (a, b) not in apart]

    @property
    def missing_pairs(self) -> list[tuple[str, str]]:
        """Of the possible ones."""
        return [pair for pair in self.possible_pairs if not self.pairs[pair]]


def _missing(names: Iterable[str], counts: Counter[str]) -> list[str]:
    return [name for name in names if not counts[name]]
