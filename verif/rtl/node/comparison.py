# SPDX-License-Identifier: Apache-2.0
"""Runs the same program on the compiled node and on the golden one, and compares what they did."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from golden.config import NodeConfig
from golden.instruction import Retirement
from golden.isa import decode
from golden.layout import (
    PIPE_EVENTS,
    SRAM_BASE,
    STALL_EVENTS,
    ControlRegister,
    Csr,
    Kind,
    ThreadRegister,
    control_offset,
    counter_offset,
    thread_offset,
)
from golden.node import GoldenNode
from sw.disassembler import disassemble
from verif.rtl.node.host import NodeHost
from verif.rtl.node.timed import TIMED_BITS

__all__ = ["SCRATCH_BYTES", "Access", "Comparison"]

#: Registers of a thread that follow from its program alone.
_THREAD_REGISTERS = (
    ThreadRegister.PC, ThreadRegister.STATE, ThreadRegister.CAUSE, ThreadRegister.VALUE, ThreadRegister.EXIT_CODE,
    ThreadRegister.RETIRED,
)  # fmt: skip

_COUNTERS = (
    ControlRegister.MATRIX_STEPS, ControlRegister.RETIRED, ControlRegister.REQUESTS_SENT, ControlRegister.LINES_LOADED,
    ControlRegister.LINES_STORED,
)  # fmt: skip


#: Bytes that host traffic writes: lines in all banks of a block.
SCRATCH_BYTES = 0x200


class Access(NamedTuple):
    """A request of the host that takes a bank from the threads: a read of any line, or a write into the scratch lines."""

    pause: int
    offset: int
    writes: bool


class Comparison:
    """A node and a golden node with the same memory.

    Parameters
    ----------
    dut
        The node; its clock runs.
    config : NodeConfig

    Members
    -------
    host : NodeHost
    golden : GoldenNode
    """

    def __init__(self, dut: Any, config: NodeConfig):
        self.config = config
        self._dut = dut
        self.host = NodeHost(dut, config)
        self.golden = GoldenNode(config, links=0b1000)
        self._retired: list[list[Retirement]] = [[] for _ in range(config.threads)]
        self._vector_writes: dict[tuple[int, int], list[bytes]] = {}
        self.golden.on_retire = lambda record: self._retired[record.thread].append(record)
        self.golden.on_vector_write = lambda thread, register, value: self._vector_writes.setdefault(
            (thread, register), []
        ).append(value)

    async def reset(self) -> None:
        """Reset the node."""
        self._dut.rst.value = 1
        await self.host.step()
        await self.host.step()
        self._dut.rst.value = 0

    def write(self, offset: int, contents: bytes) -> None:
        """Put bytes into both memories, by packets here and by the back door there."""
        self.host.write(offset, contents)
        self.golden.sram[offset : offset + len(contents)] = contents

    def set_tohost(self, address: int) -> None:
        """Name the address of ``tohost`` to both."""
        self.host.set_tohost(address)
        self.golden.write_register(ControlRegister.TOHOST_ADDRESS, address)

    def start_thread(self, thread: int, pc: int) -> None:
        """Start a thread of both."""
        self.host.start_thread(thread, pc)
        self.golden.threads[thread].start(pc)

    async def run(self, traffic: Sequence[Access] = (), scratch: int = 0, limit: int = 20_000) -> None:
        """Let both end their programs.

        Parameters
        ----------
        traffic : sequence of Access
            What the host does meanwhile, over and over.
        scratch : int
            Offset of SCRATCH_BYTES bytes that the host may write.
        limit : int
            Cycles after which this fails.
        """
        self.golden.run()
        assert not self.golden.active, f"the golden node does not end: {[t.state for t in self.golden.threads]}"
        host = self.host
        if traffic:
            await host.until(lambda: bool(int(self._dut.running.value)), "the start of the program")
            lines = -self.config.line_bytes
            for access in itertools.islice(itertools.cycle(traffic), limit):
                if not int(self._dut.running.value):
                    break
                if not host.queued and access.writes:
                    host.send(kind=Kind.WRITE, offset=scratch + access.offset % SCRATCH_BYTES & lines, mask=1, data=access.offset)
                elif not host.queued:
                    host.send(kind=Kind.READ, offset=access.offset % self.config.sram_bytes & lines)
                for _ in range(1 + access.pause):
                    await host.step()
        await host.finish(limit)

    def compare_execution(self, threads: Sequence[int]) -> None:
        """Fail at the first difference of what these threads retired, and of all vector registers that were written."""
        for thread in threads:
            _compare_streams(thread, self.golden, self._retired[thread], self.host.retired[thread])
        for where in sorted(self._vector_writes.keys() | self.host.vector_writes.keys()):
            wanted, written = self._vector_writes.get(where, []), self.host.vector_writes.get(where, [])
            assert written == wanted, f"thread {where[0]} v{where[1]}: wrote {_hex(written)}, expected {_hex(wanted)}"

    async def compare_memory(self, offset: int, length: int) -> None:
        """Fail if a byte of this part of SRAM differs."""
        seen, expected = await self.host.read(offset, length), bytes(self.golden.sram[offset : offset + length])
        differing = [i for i in range(length) if seen[i] != expected[i]]
        assert not differing, f"memory differs at {offset + differing[0]:#x} and in {len(differing) - 1} more bytes"

    async def compare_registers(self, *, except_of: Sequence[ThreadRegister] = ()) -> None:
        """Fail if a register of the control page that does not depend on time differs, but for these fields of threads."""
        where = [
            thread_offset(thread, field)
            for thread in range(self.config.threads)
            for field in _THREAD_REGISTERS
            if field not in except_of
        ]
        where += [control_offset(register) for register in (ControlRegister.TOHOST, ControlRegister.STATUS)]
        if ThreadRegister.RETIRED not in except_of and not self._a_gather_trapped():
            where += [control_offset(register) for register in _COUNTERS]
        several = sum(map(bool, self.host.retired)) > 1
        for offset in where:
            seen, expected = await self.host.read_register(offset), self.golden.read_register(offset % 0x1000)
            timed = TIMED_BITS.get(offset % 0x1000, 0) if several else 0
            assert not (seen ^ expected) & ~timed, f"{_name_of(offset)}: {seen:#x}, expected {expected:#x}"

    async def compare_counters(self) -> None:
        """Fail if a counter of instructions differs, or if a cycle of a thread's activity counts as anything but one thing.

        What threads have done to counters of stalls is not known, nor for how long they were inhibited: after a program that
        names mcountinhibit these are not looked at.
        """
        for thread in range(self.config.threads):
            for number in (2, *PIPE_EVENTS):
                offset = counter_offset(thread, number)
                seen, expected = await self.host.read_register(offset), self.golden.read_register(offset % 0x1000)
                assert seen == expected, f"thread {thread} counter {number}: {seen}, expected {expected}"
            words = [record.word for record in self._retired[thread]]
            if any(word & 0x7F == 0x73 and word >> 20 == Csr.MCOUNTINHIBIT for word in words):
                continue
            stalls = {event.name: await self.host.read_register(counter_offset(thread, event)) for event in STALL_EVENTS}
            active, issuing = self.host.active_cycles[thread], self.host.issue_cycles[thread]
            if self.config.core == "sequential":
                assert not any(stalls.values())
            else:
                assert active == issuing + sum(stalls.values()), (
                    f"thread {thread} was active for {active} cycles and issued in {issuing}; the others are {stalls}"
                )

    def _a_gather_trapped(self) -> bool:
        """Whether a gather trapped: the hardware has read some of its granules then, and the golden node none."""
        trapped = [decode(record.word) for records in self._retired for record in records if record.cause is not None]
        return any(row is not None and row.mnemonic.startswith(("vlds", "vldx")) for row in trapped)


def _name_of(offset: int) -> str:
    for thread in range(4):
        for field in ThreadRegister:
            if thread_offset(thread, field) == offset:
                return f"thread {thread} {field.name}"
    return ControlRegister(offset % 0x1000).name


def _compare_streams(thread: int, golden: GoldenNode, expected: list[Retirement], seen: list[Retirement]) -> None:
    """Fail at the first difference of two retirement streams, with the program around it."""
    for index in range(max(len(expected), len(seen))):
        want = expected[index] if index < len(expected) else None
        got = seen[index] if index < len(seen) else None
        if want != got:
            pc = (want or got).pc  # type: ignore[union-attr]
            raise AssertionError(
                f"thread {thread} differs at its instruction {index}\n  expected {_show(want)}\n  seen     {_show(got)}\n"
                + "\n".join(_listing(golden, pc))
            )


def _show(record: Retirement | None) -> str:
    if record is None:
        return "nothing"
    text = f"{record.pc:#x} {disassemble(record.word, record.pc)}"
    if record.cause is not None:
        text += f" traps with cause {record.cause}, value {record.value:#x}"
    return text + "".join(f" x{register}={value:#x}" for register, value in record.writes)


def _listing(golden: GoldenNode, pc: int, around: int = 40) -> Iterator[str]:
    for address in range(max(SRAM_BASE, pc - 4 * around), min(SRAM_BASE + len(golden.sram), pc + 4 * around), 4):
        word = int.from_bytes(golden.sram[address - SRAM_BASE : address - SRAM_BASE + 4], "little")
        yield f"{'>' if address == pc else ' '} {address:#x}: {disassemble(word, address)}"


def _hex(values: list[bytes]) -> str:
    return ", ".join(value[::-1].hex() for value in values) or "nothing"
