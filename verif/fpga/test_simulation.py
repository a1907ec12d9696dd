# SPDX-License-Identifier: Apache-2.0
"""Boards in simulation behind a pseudo-terminal: used like a board, quiet when idle, gone with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fpga.board_array import BoardArray
from fpga.choice import Choice, choose
from fpga.designs.blinky import COUNTS_PER_SECOND
from fpga.ladder.steps import STEPS, Port
from fpga.link import HostLinkClient, open_port
from fpga.memory_node import memory_config
from fpga.simulation.board import SimulatedBoard
from fpga.simulation.rate import fastest_baud
from golden.config import CONTROL_PAGE_OFFSET, preset
from golden.layout import ControlRegister, GlobalAddress, control_offset
from golden.layout import Port as GoldenPort
from golden.packet import write_packets
from sw.assembler import assemble
from sw.host import run_program
from verif.scripts.command import PATIENCE

ROOT = Path(__file__).resolve().parents[2]

#: Cycles per second of the designs that count seconds; short, so that these pass soon.
CLOCK_HZ = 400_000

pytestmark = pytest.mark.rtl


def chosen(board: str, design: str, **changes: object) -> Choice:
    choice = choose(board, design=design)
    settings = replace(choice.settings, **changes)  # type: ignore[arg-type]
    return replace(choice, settings=replace(settings, baud=fastest_baud(settings.clock_hz)))


def climb(step: str, choice: Choice, simulation: SimulatedBoard) -> list[str]:
    """What a step says of a simulation."""
    said: list[str] = []
    config, shape = choice.settings.config, (choice.settings.rows, choice.settings.columns)
    if choice.design.name == "memory":
        assert config is not None
        config = memory_config(config, choice.board.family)
    port = Port(simulation.port, choice, config, shape, simulation)
    STEPS[step].check(port, said.append, lambda what, done, total: None)
    return said


def test_blinky_counts_and_a_simulation_is_built_once() -> None:
    choice = chosen("icebreaker", "blinky", clock_hz=CLOCK_HZ)
    with SimulatedBoard(choice.board, choice.settings, "blinky") as simulation:
        said = climb("blinky", choice, simulation)
    assert said[1:] == ["seen: 00, 01, 10, 11, 00", "passed"]
    assert simulation.light_count == 2
    assert CLOCK_HZ % COUNTS_PER_SECOND == 0
    assert SimulatedBoard(choice.board, choice.settings, "blinky").cached


def test_hello_speaks_through_the_pseudo_terminal_and_echoes() -> None:
    choice = chosen("tang-nano-20k", "hello", clock_hz=CLOCK_HZ)
    with SimulatedBoard(choice.board, choice.settings, "hello") as simulation:
        said = climb("hello", choice, simulation)
    assert said[1].startswith(f"heard: OpenD1 on {choice.board.name}, 0.4 MHz")
    assert said[-1] == "passed"


def test_memory_without_a_core_passes_memtest_says_what_it_is_and_rests_when_idle() -> None:
    config = preset("nano").replace(bank_lines=64)
    choice = chosen("icebreaker", "memory", config=config)
    memory = memory_config(config, "ice40")
    with SimulatedBoard(choice.board, choice.settings, "memory") as simulation:
        assert climb("memtest", choice, simulation)[-1] == f"passed: 7 patterns, {memory.sram_bytes} bytes"
        with open_port(simulation.port, choice.settings.baud) as line:
            link = HostLinkClient(line, memory)
            array = BoardArray(link)
            assert (link.identity.descriptor, link.identity.key) == (memory.descriptor, memory.key)
            assert array.read_register(0, 0, control_offset(ControlRegister.CONFIG)) == memory.descriptor
            # No threads, no accumulators, no other registers; and no node has this key.
            assert memory.descriptor >> 16 & 0xFF == 0
            assert memory.key != memory_config(preset("nano"), "ice40").key != preset("nano").key
            page_start = GlobalAddress(0, 0, CONTROL_PAGE_OFFSET)
            link.send(write_packets(memory.line_bytes, page_start, bytes([0xFF]) * 64, (0, 0, GoldenPort.WEST)))
            page = array.read(0, 0, CONTROL_PAGE_OFFSET, 64)
            found = {n: page[n : n + 8] for n in range(0, 64, 8) if any(page[n : n + 8])}
            assert found == {ControlRegister.CONFIG: memory.descriptor.to_bytes(8, "little")}
        assert simulation._process is not None
        before = _cpu_seconds(simulation._process.pid)
        time.sleep(2)
        assert _cpu_seconds(simulation._process.pid) - before < 0.5


def test_a_node_climbs_the_ladder_and_its_lights_and_button_work() -> None:
    choice = chosen("ulx3s-85f", "node", config=preset("nano").replace(bank_lines=256))
    config = choice.settings.config
    assert config is not None
    with SimulatedBoard(choice.board, choice.settings, "node") as simulation:
        assert climb("node", choice, simulation)[-1] == "passed"
        # Idle, and a frame came a moment ago; then that goes out as well.
        assert simulation.wait_for_lights(0b100001, 5)
        assert simulation.wait_for_lights(0b000001, 60)
        with open_port(simulation.port, choice.settings.baud) as line:
            array = BoardArray(HostLinkClient(line, config))
            assert run_program(array, assemble("_start: j _start\n", config=config), 1000).reason == "limit"
            assert simulation.lights & 0b11111 == 0b00010
            simulation.press_reset()
            assert simulation.wait_for_lights(0b000001, 60)


def test_a_simulation_ends_with_its_parent() -> None:
    choice = chosen("icebreaker", "blinky", clock_hz=CLOCK_HZ)
    path = SimulatedBoard(choice.board, choice.settings, "blinky")._path
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([{str(path)!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not _runs(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the simulation goes on without its parent")


def test_the_command_says_where_the_simulation_is_and_ends_with_an_interrupt() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.d1.main", "fpga", "simulate", "icebreaker", "--design", "blinky"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines[0].startswith("blinky on icebreaker in simulation at /dev/pts/")
    assert lines[1] == "ends with Ctrl-C\n"
    assert Path(lines[0].split()[-1]).exists()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert "interrupted" in errors
    assert process.returncode == 130


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
