# SPDX-License-Identifier: Apache-2.0
"""The complete top of a board in simulation: the host's own code talks through the pins to the real node."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge, Timer

from fpga.board_array import BoardArray
from fpga.errors import LinkError
from fpga.link import HostLinkClient
from fpga.top import ArrayTop
from golden.config import preset
from golden.layout import SRAM_BASE, Cause, ControlRegister, ThreadState, control_offset, semaphore_offset
from rtl.export import export_node
from sw.assembler import assemble
from sw.host import run_program
from verif.bench import bench_rng, run_bench

CONFIG = preset("tiny")
CLOCK_HZ = 25_000_000
BAUD = CLOCK_HZ // 8
CLOCK_PS = 40_000
BIT_PS = 8 * CLOCK_PS

#: Seconds; a full window of frames takes one millisecond.
TIMEOUT = 0.002

#: Adds two FP32 vectors in SRAM and ends with what is in `code`.
PROGRAM = """
    .globl _start
_start:
    la a0, left
    la a1, right
    la a2, sum
    li t0, 4
1:  vld.p v0, (a0), LINE_BYTES
    vld.p v1, (a1), LINE_BYTES
    vadd.f32 v2, v0, v1
    vst.p v2, (a2), LINE_BYTES
    addi t0, t0, -1
    bnez t0, 1b
    la a3, code
    ld a0, 0(a3)
    halt a0
    .data
    .balign LINE_BYTES
code:  .dword 0
    .balign LINE_BYTES
left:  .zero 4 * LINE_BYTES
right: .zero 4 * LINE_BYTES
sum:   .zero 4 * LINE_BYTES
"""


@pytest.mark.rtl
def test_board_top_boots_runs_and_answers_over_its_serial_line() -> None:
    run_bench(
        ArrayTop(CONFIG, 1, 1, CLOCK_HZ, BAUD),
        sources=list(export_node(CONFIG, arithmetic="rtl", sram="macro").values()),
    )


class SimulatedLine:
    """The host's serial port, at the pins of the design; called from a thread beside the simulation.

    Members
    -------
    damage_every : int
        Every so many bytes to the board is damaged, if not 0.
    """

    def __init__(self, dut: Any):
        self.dut = dut
        self.seconds = 0.0
        self.damage_every = 0
        self._sent = 0
        self._heard: Queue[int] = Queue()
        self._out: Queue[int] = Queue()
        cocotb.start_soon(self._transmit())
        cocotb.start_soon(self._receive())

    def read(self, size: int = 1) -> bytes:
        data: bytes = resume(self._read)()
        return data

    def write(self, data: bytes) -> int:
        resume(self._write)(data)
        return len(data)

    def clock(self) -> float:
        """Seconds of the simulation."""
        return self.seconds

    async def _read(self) -> bytes:
        if self._heard.empty():
            await Timer(5 * BIT_PS, "ps")
        heard = bytearray()
        while not self._heard.empty():
            heard.append(self._heard.get_nowait())
        self.seconds = cocotb.utils.get_sim_time("sec")
        return bytes(heard)

    async def _write(self, data: bytes) -> None:
        for byte in data:
            self._sent += 1
            broken = self.damage_every and self._sent % self.damage_every == 0
            self._out.put_nowait(byte ^ 0x10 if broken else byte)

    async def _transmit(self) -> None:
        while True:
            byte = await self._out.get()
            for bit in (0, *(byte >> n & 1 for n in range(8)), 1):
                self.dut.rx.value = bit
                await Timer(BIT_PS, "ps")

    async def _receive(self) -> None:
        while True:
            await FallingEdge(self.dut.tx)
            await Timer(BIT_PS // 2, "ps")
            byte = 0
            for bit in range(8):
                await Timer(BIT_PS, "ps")
                byte |= int(self.dut.tx.value) << bit
            await Timer(BIT_PS, "ps")
            assert self.dut.tx.value == 1
            self._heard.put_nowait(byte)


async def begin(dut: Any) -> SimulatedLine:
    dut.rx.value = 1
    dut.reset.value = 0
    Clock(dut.clk, CLOCK_PS, unit="ps").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    return SimulatedLine(dut)


def connect(line: SimulatedLine) -> BoardArray:
    return BoardArray(HostLinkClient(line, CONFIG, timeout=TIMEOUT, clock=line.clock))


@cocotb.test()
async def a_program_is_loaded_run_and_its_results_read_back(dut: Any) -> None:
    line = await begin(dut)
    rng = bench_rng()
    left, right = (rng.normal(size=4 * CONFIG.fp32_lanes).astype(np.float32) for _ in range(2))
    program = assemble(PROGRAM, config=CONFIG)
    place = {name: program.symbols[name] - SRAM_BASE for name in ("left", "right", "sum", "code")}

    def use() -> None:
        board = connect(line)
        assert (board.rows, board.columns) == (1, 1)
        assert board.read_register(0, 0, control_offset(ControlRegister.CONFIG)) == CONFIG.descriptor
        report = run_program(board, program, 1_000_000)
        assert report.passed, report.summary()
        board.write_many([(0, 0, place["left"], left.tobytes()), (0, 0, place["right"], right.tobytes())])
        board.write(0, 0, place["code"], (5).to_bytes(1, "little"))
        report = run_program(board, program, 1_000_000, load=False)
        assert report.nodes[0].exit_code == 5
        assert report.cycles < 1000
        found = np.frombuffer(board.read(0, 0, place["sum"], 4 * CONFIG.line_bytes), np.float32)
        assert np.array_equal(found, left + right)
        assert [thread.state for thread in board.thread_states()] == [ThreadState.HALTED] * CONFIG.threads

    await bridge(use)()
    assert (dut.idle.value, dut.running.value, dut.trapped.value, dut.activity.value) == (1, 0, 0, 1)


@cocotb.test()
async def a_line_that_damages_bytes_loses_nothing_and_repeats_nothing(dut: Any) -> None:
    line = await begin(dut)

    def use() -> None:
        board = connect(line)
        line.damage_every = 151
        # Writing a semaphore adds to it, so a write that is executed twice shows.
        semaphore = semaphore_offset(0)
        for _ in range(10):
            board.write_register(0, 0, semaphore, 3)
        data = bytes(range(200))
        board.write(0, 0, 0x105, data)
        line.damage_every = 0
        assert board.read_register(0, 0, semaphore) == 30
        assert board.read(0, 0, 0x105, len(data)) == data

    await bridge(use)()


@cocotb.test()
async def what_is_not_there_is_an_error_and_not_a_hang(dut: Any) -> None:
    line = await begin(dut)

    def use() -> None:
        board = connect(line)
        with pytest.raises(LinkError, match=r"row 0, column 1.*UNREACHABLE"):
            board.read(1, 0, 0, 16)
        with pytest.raises(LinkError, match="offset 0x100000: BAD_OFFSET"):
            board.write(0, 0, 0x10_0000, bytes(16))
        with pytest.raises(LinkError, match="another node"):
            HostLinkClient(line, CONFIG.replace(threads=1), timeout=TIMEOUT, clock=line.clock)
        waits = assemble("_start: li a0, 1\n swait 0, a0\n halt a0\n", config=CONFIG)
        report = run_program(connect(line), waits, 1_000_000)
        assert report.reason == "deadlock"

    await bridge(use)()


@cocotb.test()
async def a_trap_shows_in_the_lights_and_reset_clears_it(dut: Any) -> None:
    line = await begin(dut)
    trap = assemble("_start: ebreak\n", config=CONFIG)
    spin = assemble("_start: j _start\n", config=CONFIG)

    def use() -> None:
        board = connect(line)
        report = run_program(board, trap, 1000)
        assert report.nodes[0].trap is not None
        assert report.nodes[0].trap.cause == Cause.BREAKPOINT

    await bridge(use)()
    assert (dut.trapped.value, dut.running.value) == (1, 0)
    dut.reset.value = 1
    await ClockCycles(dut.clk, 2)
    dut.reset.value = 0
    await ClockCycles(dut.clk, 30)
    assert dut.trapped.value == 0

    def use_again() -> None:
        client = HostLinkClient(line, CONFIG, timeout=TIMEOUT, clock=line.clock)
        board = BoardArray(client)
        report = run_program(board, spin, 2000)
        assert (report.reason, report.threads[0].state) == ("limit", "RUNNING")
        client.reset()
        assert board.read_register(0, 0, control_offset(ControlRegister.STATUS)) & 0xFFF == 0

    await bridge(use_again)()
    assert (dut.idle.value, dut.running.value) == (1, 0)


@cocotb.test()
async def silence_is_an_error(dut: Any) -> None:
    line = await begin(dut)
    line.damage_every = 1

    def use() -> None:
        with pytest.raises(LinkError, match="no answer"):
            connect(line)

    await bridge(use)()
