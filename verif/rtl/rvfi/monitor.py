# SPDX-License-Identifier: Apache-2.0
"""Checks that the instructions of one thread, as RVFI shows them, are those of a RISC-V machine."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, fields

from verif.rtl.rvfi.model import Effect, Illegal, execute

__all__ = ["FIELDS", "RvfiError", "RvfiInstruction", "RvfiMonitor"]

#: Opcodes of which the model does not know the instructions.
_CUSTOM = (0x0B, 0x2B, 0x5B, 0x7B)
_SYSTEM = 0x73
#: Opcodes whose instructions depend on their address, which a debugger may have them do where nothing can be fetched.
_RELATIVE = (0x17, 0x63, 0x67, 0x6F)


class RvfiError(AssertionError):
    """What RVFI shows cannot be."""


@dataclass(frozen=True)
class RvfiInstruction:
    """A channel of RVFI in a cycle in which it is valid; the fields are those of the interface, without ``rvfi_``.

    ``rd2_addr`` and ``rd2_wdata`` are a second register that is written; ``debug`` is set of what a debugger injects. Cores
    without these leave them 0.
    """

    order: int
    insn: int
    trap: int
    halt: int
    intr: int
    mode: int
    ixl: int
    rs1_addr: int
    rs2_addr: int
    rs1_rdata: int
    rs2_rdata: int
    rd_addr: int
    rd_wdata: int
    pc_rdata: int
    pc_wdata: int
    mem_addr: int
    mem_rmask: int
    mem_wmask: int
    mem_rdata: int
    mem_wdata: int
    rd2_addr: int = 0
    rd2_wdata: int = 0
    debug: int = 0

    def __str__(self) -> str:
        return f"instruction {self.order} at {self.pc_rdata:#x} ({self.insn:08x})"


#: Names of the fields.
FIELDS = tuple(field.name for field in fields(RvfiInstruction))


class RvfiMonitor:
    """Follows a thread from reset on.

    It checks that no number is missing or comes twice; that each instruction lies where the one before goes on, or is the first
    of a handler or behind a start; that registers hold what was written last, and that what is written shows before who reads
    it; that words of RV64IM do what the specification says and trap where they must; that nothing of a trap takes effect; and
    that a thread that has halted goes on only when it is started. What a debugger injects does the same, but leaves the thread
    where it is, unless it jumps.

    Parameters
    ----------
    memory : container of int
        Addresses that the thread may fetch from and access.
    started : bool
        The first instruction is behind a start, and so has ``intr`` set.
    machine : tuple of int
        ``mode`` and ``ixl`` of all instructions.

    Members
    -------
    checked : int
        Instructions that have been checked: all before this number.
    instructions : list of RvfiInstruction
        What was checked, in program order; emptied by whoever takes from it.
    """

    def __init__(self, memory: Container[int], *, started: bool = True, machine: tuple[int, int] = (3, 2)):
        self.memory = memory
        self.checked = 0
        self.instructions: list[RvfiInstruction] = []
        self._started = started
        self._machine = machine
        self._cycle = 0
        #: What came before its turn, with the cycle.
        self._early: dict[int, tuple[int, RvfiInstruction]] = {}
        self._before: RvfiInstruction | None = None
        #: Value of each register, and the cycle in which it showed.
        self._registers = [(0, -1)] * 32

    def cycle(self, shown: Iterable[RvfiInstruction]) -> None:
        """What the channels show in a cycle, in any order.

        Raises
        ------
        RvfiError
        """
        self._cycle += 1
        for instruction in shown:
            if instruction.order < self.checked or instruction.order in self._early:
                raise RvfiError(f"{instruction}: its number comes twice")
            self._early[instruction.order] = self._cycle, instruction
        while self.checked in self._early:
            self._check(*self._early.pop(self.checked))
            self.checked += 1

    def finish(self) -> None:
        """No instruction is under way any more.

        Raises
        ------
        RvfiError
        """
        if self._early:
            raise RvfiError(f"instruction {self.checked} never came, but {min(self._early)} and {len(self._early) - 1} more did")

    def _check(self, cycle: int, it: RvfiInstruction) -> None:
        if (it.mode, it.ixl) != self._machine:
            raise RvfiError(f"{it}: mode {it.mode}, ixl {it.ixl} are not {self._machine}")
        self._check_place(it)
        self._check_reads(cycle, it)
        self._check_effect(it)
        for name, register, value in (("rd", it.rd_addr, it.rd_wdata), ("rd2", it.rd2_addr, it.rd2_wdata)):
            if register:
                self._registers[register] = value, cycle
            elif value:
                raise RvfiError(f"{it}: {name}_wdata is {value:#x}, though no register is written")
        if it.rd2_addr and it.rd2_addr == it.rd_addr:
            raise RvfiError(f"{it}: x{it.rd_addr} is written twice")
        self._before = it
        self.instructions.append(it)

    def _check_place(self, it: RvfiInstruction) -> None:
        before = self._before
        if it.intr:
            return
        if before is None:
            if self._started:
                raise RvfiError(f"{it}: the first instruction has no intr")
        elif before.halt:
            raise RvfiError(f"{it}: the thread has halted with {before}, and was not started again")
        elif before.trap and not before.debug:
            raise RvfiError(f"{it}: it is the first of a handler, but has no intr")
        elif it.pc_rdata != before.pc_wdata:
            raise RvfiError(f"{it}: {before} goes on at {before.pc_wdata:#x}")

    def _check_reads(self, cycle: int, it: RvfiInstruction) -> None:
        for name, register, value in (("rs1", it.rs1_addr, it.rs1_rdata), ("rs2", it.rs2_addr, it.rs2_rdata)):
            held, since = self._registers[register]
            if value != held:
                raise RvfiError(f"{it}: {name}_rdata is {value:#x}, but x{register} holds {held:#x}")
            if register and since >= cycle:
                raise RvfiError(f"{it}: it reads x{register} before what was written there shows")

    def _check_effect(self, it: RvfiInstruction) -> None:
        if it.trap:
            self._check_trap(it)
            return
        if not it.debug and (it.pc_rdata not in self.memory or it.pc_rdata % 4):
            raise RvfiError(f"{it}: nothing can be fetched there")
        try:
            wanted = execute(it.insn, it.pc_rdata, it.rs1_rdata, it.rs2_rdata, it.mem_rdata)
        except Illegal:
            raise RvfiError(f"{it}: it is illegal, but did not trap") from None
        if wanted is None:
            self._check_other(it)
        elif self._must_trap(wanted):
            raise RvfiError(f"{it}: it must trap")
        else:
            self._compare(it, wanted)

    def _must_trap(self, effect: Effect) -> bool:
        if effect.traps or effect.misaligned_target:
            return True
        return bool(effect.size) and (
            effect.address % effect.size != 0
            or effect.address not in self.memory
            or effect.address + effect.size - 1 not in self.memory
        )

    def _check_trap(self, it: RvfiInstruction) -> None:
        if it.rd_addr or it.rd2_addr or it.mem_rmask or it.mem_wmask:
            raise RvfiError(f"{it}: it trapped, and did something all the same")
        if it.debug and it.halt:
            raise RvfiError(f"{it}: what is injected does not halt its thread")
        if (it.debug or it.halt) and it.pc_wdata != it.pc_rdata:
            raise RvfiError(f"{it}: without a handler its thread stays there, not at {it.pc_wdata:#x}")
        if not it.debug and (it.pc_rdata not in self.memory or it.pc_rdata % 4):
            return
        try:
            wanted = execute(it.insn, it.pc_rdata, it.rs1_rdata, it.rs2_rdata, it.mem_rdata)
        except Illegal:
            return
        if wanted is not None and not self._must_trap(wanted):
            raise RvfiError(f"{it}: there is no reason for its trap")

    def _check_other(self, it: RvfiInstruction) -> None:
        """All that is not RV64IM does not access scalar memory, and only ``mret`` goes elsewhere."""
        if it.mem_rmask or it.mem_wmask:
            raise RvfiError(f"{it}: it accesses no scalar memory")
        returns = it.insn == 0x3020_0073
        if not returns and it.pc_wdata != it.pc_rdata + (0 if it.debug else 4):
            raise RvfiError(f"{it}: it goes on at {it.pc_wdata:#x}, though it is no jump")
        if it.insn & 0x7F not in (*_CUSTOM, _SYSTEM):
            raise RvfiError(f"{it}: it is illegal, but did not trap")

    def _compare(self, it: RvfiInstruction, wanted: Effect) -> None:
        mask = (1 << wanted.size) - 1
        value = wanted.value if wanted.rd else 0
        expected: dict[str, int | None] = {
            "rs1_addr": wanted.rs1,
            "rs2_addr": wanted.rs2,
            "rd_addr": wanted.rd,
            "rd_wdata": value,
            "rd2_addr": 0,
            "pc_wdata": it.pc_rdata if it.debug and not wanted.jumps else wanted.pc,
            "mem_rmask": mask if wanted.reads else 0,
            "mem_wmask": mask if wanted.writes else 0,
        }
        if wanted.size:
            expected["mem_addr"] = wanted.address
        if it.debug and it.pc_rdata not in self.memory and it.insn & 0x7F in _RELATIVE:
            del expected["rd_wdata"], expected["pc_wdata"]
        if wanted.writes:
            expected["mem_wdata"] = wanted.data
        for name, what in expected.items():
            seen = getattr(it, name)
            if what is not None and seen != what:
                raise RvfiError(f"{it}: {name} is {seen:#x}, expected {what:#x}")
