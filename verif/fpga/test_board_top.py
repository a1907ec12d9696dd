# SPDX-License-Identifier: Apache-2.0
"""The complete top of a board in simulation: the host's own code talks through the board's pins to real nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, Event, FallingEdge, First, Timer

from fpga.board_array import BoardArray
from fpga.boards import find_board
from fpga.designs import Settings
from fpga.errors import LinkError
from fpga.ladder.memtest import check_memory
from fpga.ladder.node_view import NodeView
from fpga.ladder.products import check_array, check_nodes
from fpga.link import HostLinkClient
from fpga.simulation.build import TOP, board_files
from golden.config import preset
from golden.layout import SRAM_BASE, Cause, ControlRegister, ThreadState, control_offset, semaphore_offset
from golden.mesh import NetworkAccessError
from sw.assembler import assemble
from sw.host import run_program
from verif.bench import bench_rng, run_bench

CONFIG = preset("nano").replace(bank_lines=256)
CLOCK_HZ = 50_000_000
CLOCK_PS = 20_000
CYCLES_PER_BIT = 4
BIT_PS = CYCLES_PER_BIT * CLOCK_PS

#: The clock is not the oscillator's, so there is a PLL.
BOARD = replace(find_board("ulx3s-85f"), node_hz=CLOCK_HZ)
SETTINGS = Settings(CONFIG, 1, 2, CLOCK_HZ // CYCLES_PER_BIT, CLOCK_HZ)

#: Seconds; a window of frames takes some milliseconds.
TIMEOUT = 0.005
PATIENCE = 0.02

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
def test_a_board_boots_climbs_the_ladder_and_bears_what_a_line_does(tmp_path: Any) -> None:
    files = board_files(BOARD, "array", SETTINGS)
    paths = []
    for name, text in files.sources.items():
        (tmp_path / name).write_text(text)
        if not name.endswith(".h"):
            paths.append(tmp_path / name)
    run_bench(toplevel=TOP, sources=paths)


class SimulatedLine:
    """The host's serial port, at the pins of the board; called from a thread beside the simulation.

    Members
    -------
    damage_every : int
        Every so many bytes to the board is damaged, if not 0.
    """

    def __init__(self, dut: Any):
        self.rx, self.tx = dut.uart_0__rx__io, dut.uart_0__tx__io
        self.seconds = cocotb.utils.get_sim_time("sec")
        self.damage_every = 0
        self._sent = 0
        self._heard = bytearray()
        self._out = bytearray()
        self._hears, self._sends = Event(), Event()
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
        if not self._heard:
            self._hears.clear()
            await First(self._hears.wait(), Timer(100 * BIT_PS, "ps"))
        heard = bytes(self._heard)
        self._heard.clear()
        self.seconds = cocotb.utils.get_sim_time("sec")
        return heard

    async def _write(self, data: bytes) -> None:
        for byte in data:
            self._sent += 1
            broken = self.damage_every and self._sent % self.damage_every == 0
            self._out.append(byte ^ 0x10 if broken else byte)
        self._sends.set()

    async def _transmit(self) -> None:
        while True:
            while not self._out:
                self._sends.clear()
                await self._sends.wait()
            byte = self._out.pop(0)
            for bit in (0, *(byte >> n & 1 for n in range(8)), 1):
                self.rx.value = bit
                await Timer(BIT_PS, "ps")

    async def _receive(self) -> None:
        while True:
            await FallingEdge(self.tx)
            await Timer(BIT_PS // 2, "ps")
            byte = 0
            for bit in range(8):
                await Timer(BIT_PS, "ps")
                byte |= int(self.tx.value) << bit
            await Timer(BIT_PS, "ps")
            assert self.tx.value == 1
            self._heard.append(byte)
            self._hears.set()


async def begin(dut: Any) -> SimulatedLine:
    """The board after power-on, long enough for its PLL; or as the last test left it."""
    dut.uart_0__rx__io.value = 1
    dut.button_fire_0__io.value = 0
    Clock(dut.clk25_0__io, CLOCK_PS, unit="ps").start()
    await ClockCycles(dut.clk25_0__io, 2000)
    return SimulatedLine(dut)


def connect(line: SimulatedLine) -> BoardArray:
    return BoardArray(client(line))


def client(line: SimulatedLine) -> HostLinkClient:
    return HostLinkClient(line, CONFIG, timeout=TIMEOUT, patience=PATIENCE, clock=line.clock)


def lights(dut: Any, numbers: Iterable[int] = range(3)) -> tuple[int, ...]:
    """The nodes' lights, and that of the link."""
    return tuple(int(getattr(dut, f"led_{number}__io").value) for number in numbers)


async def press(dut: Any) -> None:
    dut.button_fire_0__io.value = 1
    await ClockCycles(dut.clk25_0__io, 10)
    dut.button_fire_0__io.value = 0
    await ClockCycles(dut.clk25_0__io, 100)


@cocotb.test()
async def nothing_moves_before_the_pll_has_locked(dut: Any) -> None:
    dut.uart_0__rx__io.value = 0
    dut.button_fire_0__io.value = 0
    await Timer(1, "ns")
    assert (int(dut.uart_0__tx__io.value), lights(dut)) == (1, (0, 0, 0))


@cocotb.test()
async def a_program_is_loaded_run_and_its_results_read_back(dut: Any) -> None:
    line = await begin(dut)
    assert lights(dut) == (0, 0, 0)
    rng = bench_rng()
    left, right = (rng.normal(size=4 * CONFIG.fp32_lanes).astype(np.float32) for _ in range(2))
    program = assemble(PROGRAM, config=CONFIG)
    place = {name: program.symbols[name] - SRAM_BASE for name in ("left", "right", "sum", "code")}

    def use() -> None:
        board = connect(line)
        assert (board.rows, board.columns) == (1, 2)
        for x in range(2):
            assert board.read_register(x, 0, control_offset(ControlRegister.CONFIG)) == CONFIG.descriptor
        report = run_program(board, program, 1_000_000, [(1, 0)])
        assert report.passed, report.summary()
        board.write_many([(1, 0, place["left"], left.tobytes()), (1, 0, place["right"], right.tobytes())])
        board.write(1, 0, place["code"], (5).to_bytes(1, "little"))
        report = run_program(board, program, 1_000_000, [(1, 0)], load=False)
        assert report.nodes[0].exit_code == 5
        assert report.cycles < 1000
        found = np.frombuffer(board.read(1, 0, place["sum"], 4 * CONFIG.line_bytes), np.float32)
        assert np.array_equal(found, left + right)
        assert [thread.state for thread in board.thread_states()] == [ThreadState.HALTED] * 2 * CONFIG.threads

    await bridge(use)()
    assert lights(dut) == (0, 1, 1)


@cocotb.test()
async def the_ladder_is_climbed(dut: Any) -> None:
    line = await begin(dut)
    said: list[str] = []

    def use() -> None:
        board = connect(line)
        check_memory(NodeView(board, 1, 0), said.append, patterns=["addresses"])
        check_nodes(board, said.append)
        check_array(board, said.append)

    await bridge(use)()
    assert said.count("passed") == 2
    assert lights(dut) == (1, 1, 1)


@cocotb.test()
async def a_line_that_damages_bytes_loses_nothing_and_repeats_nothing(dut: Any) -> None:
    line = await begin(dut)

    def use() -> None:
        link = client(line)
        board = BoardArray(link)
        link.reset()
        line.damage_every = 151
        # Writing a semaphore adds to it, so a write that is executed twice shows.
        semaphore = semaphore_offset(0)
        for _ in range(10):
            board.write_register(1, 0, semaphore, 3)
        data = bytes(range(200))
        board.write(1, 0, 0x105, data)
        line.damage_every = 0
        assert board.read_register(1, 0, semaphore) == 30
        assert board.read(1, 0, 0x105, len(data)) == data

    await bridge(use)()


@cocotb.test()
async def what_is_not_there_is_an_error_and_not_a_hang(dut: Any) -> None:
    line = await begin(dut)

    def use() -> None:
        board = connect(line)
        with pytest.raises(NetworkAccessError, match="x=2, y=0"):
            board.read(2, 0, 0, 16)
        with pytest.raises(NetworkAccessError, match="x=1, y=1"):
            board.read(1, 1, 0, 16)
        with pytest.raises(NetworkAccessError, match="offset 0x100000"):
            board.write(0, 0, 0x10_0000, bytes(16))
        with pytest.raises(LinkError, match="another node"):
            HostLinkClient(line, CONFIG.replace(semaphores=8), timeout=TIMEOUT, clock=line.clock)
        waits = assemble("_start: li a0, 1\n swait 0, a0\n halt a0\n", config=CONFIG)
        report = run_program(connect(line), waits, 1_000_000)
        assert report.reason == "deadlock"

    await bridge(use)()


@cocotb.test()
async def the_button_resets_nodes_that_run_and_puts_their_lights_out(dut: Any) -> None:
    line = await begin(dut)
    trap = assemble("_start: ebreak\n", config=CONFIG)
    spin = assemble("_start: j _start\n", config=CONFIG)

    def use() -> None:
        board = connect(line)
        report = run_program(board, trap, 1000, [(0, 0)])
        assert report.nodes[0].trap is not None
        assert report.nodes[0].trap.cause == Cause.BREAKPOINT
        report = run_program(board, spin, 2000, [(1, 0)])
        assert (report.reason, report.threads[1].state) == ("limit", "RUNNING")

    await bridge(use)()
    assert lights(dut, [1]) == (1,)
    await press(dut)
    assert lights(dut, [0, 1]) == (0, 0)

    def use_again() -> None:
        link = client(line)
        board = BoardArray(link)
        for x in range(2):
            assert board.read_register(x, 0, control_offset(ControlRegister.STATUS)) & 0xFFF == 0
        run_program(board, spin, 2000)
        link.reset()
        for x in range(2):
            assert board.read_register(x, 0, control_offset(ControlRegister.STATUS)) & 0xFFF == 0

    await bridge(use_again)()
    assert lights(dut) == (0, 0, 1)


@cocotb.test()
async def silence_is_an_error(dut: Any) -> None:
    line = await begin(dut)
    line.damage_every = 1

    def use() -> None:
        with pytest.raises(LinkError, match="no board answers"):
            connect(line)

    await bridge(use)()
