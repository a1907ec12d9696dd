# SPDX-License-Identifier: Apache-2.0
"""Measurements of speed: engine, golden model, builds. Each returns figures in the units that its keys name."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from golden.config import PRESETS, NodeConfig
from golden.formats import BF16, FP32, UHP, Format, cfp8_143, cfp8_152, decode, encode, shp
from golden.layout import SRAM_BASE, FormatDescriptor, FormatKind, ThreadRegister, thread_offset
from golden.matrix import matmul
from golden.mesh import GoldenArray
from scripts.d1.backends import build_simulator
from scripts.d1.product import random_operand
from scripts.d1.report import Stages
from scripts.simulator import SimulatedArray
from sw.assembler import assemble
from sw.host import load_program, run_program
from sw.kernels.matmul import run_matmul

CONFIG = PRESETS["d1"]

#: Length of the cube that a busy node multiplies, by arithmetic: about half a second and two seconds.
_CUBES = {"macro": 256, "rtl": 128}

#: Nodes of the array in which only one is busy.
_IDLE_ROWS = _IDLE_COLUMNS = 12

#: Length of the row of nodes along which a host reads and writes, and lines that it writes at first.
_ROW_COLUMNS = 8
_STREAM_LINES = 256

#: Formats whose converts are measured, by the names of reports, and elements that are converted at a time.
_FORMATS: dict[str, Format] = {
    "1-4-3": cfp8_143(7), "1-5-2": cfp8_152(15), "shp": shp(15), "uhp": UHP, "bf16": BF16, "fp32": FP32,
}  # fmt: skip
_ELEMENTS = 1 << 21

#: Runs of a short measurement, of which the fastest counts.
_REPEATS = 3

_IDLE_CYCLES = 100_000
_LOOP_ITERATIONS = 200_000

#: A loop of arithmetic, a load, a store and a branch.
_LOOP = """
        li      t0, {iterations}
        la      t1, buffer
        li      a0, 0
loop:   add     a0, a0, t0
        sd      a0, 0(t1)
        ld      a1, 0(t1)
        addi    t0, t0, -1
        bnez    t0, loop
        li      a0, 0
        halt    a0
        .align  6
buffer: .zero   64
"""
_LOOP_INSTRUCTIONS = 5

#: Two threads in straight code; what happens to the numbers does not matter.
_RATES = """
_start: csrr    a0, mnode
        li      a1, {start_thread_1}
        add     a0, a0, a1
        la      a1, matrix
        nsd     a1, (a0)
        la      a2, counts
        csrr    t0, mcycle
        {lanes}
        csrr    t1, mcycle
        sub     t1, t1, t0
        sd      t1, 0(a2)
        halt    zero
matrix: la      a2, counts
        csrr    t0, mcycle
        {steps}
        csrr    t1, mcycle
        sub     t1, t1, t0
        sd      t1, 8(a2)
        halt    zero
        .align  6
counts: .zero   64
"""
_RATE_INSTRUCTIONS = 2048

#: Enough that no multiply-add waits for the one before it in the same register.
_FMA_REGISTERS = 16


def engine_speed(arithmetic: str, stages: Stages) -> dict[str, Any]:
    """A busy node of full size: one node, one core, a matrix product that keeps its matrix unit busy."""
    library = build_simulator(CONFIG, arithmetic, None, stages)
    length = _CUBES[arithmetic]
    rng = np.random.default_rng(1)
    a, b = random_operand(rng, length, length), random_operand(rng, length, length)
    with stages.stage(f"busy node, {arithmetic} arithmetic") as stage, SimulatedArray(CONFIG, 1, 1, library=library) as array:
        result = run_matmul(array, a, b)
        speed = result.cycles / result.seconds
        stage.note = f"{speed:,.0f} node-cycles/s"
    return {
        "node_cycles_per_second": speed,
        "cycles": result.cycles,
        "build_seconds": sum(library.seconds.values()),
        "build_stages_seconds": library.seconds,
        "cached": library.cached,
    }


def issue_rates(config: NodeConfig, stages: Stages) -> dict[str, float]:
    """Operations per cycle of the SIMD and the matrix unit when one thread does nothing but FP32 multiply-adds, and another
    nothing but matrix steps, at the same time; in exact cycles."""
    library = build_simulator(config, "macro", None, stages)
    lanes = [f"vmadd.f32 v{8 + i % _FMA_REGISTERS}, v0, v1" for i in range(_RATE_INSTRUCTIONS)]
    steps = [f"mstep.bf16 m{i % config.accumulators}, v2, v3" for i in range(_RATE_INSTRUCTIONS)]
    source = _RATES.format(start_thread_1=thread_offset(1, ThreadRegister.PC), lanes="\n".join(lanes), steps="\n".join(steps))
    program = assemble(source, config=config)
    with stages.stage("FP32 and matrix operations side by side") as stage, SimulatedArray(config, 1, 1, library=library) as array:
        report = run_program(array, program, max_cycles=100 * _RATE_INSTRUCTIONS)
        if not report.passed:
            raise RuntimeError(report.summary())
        counts = array.read(0, 0, program.symbols["counts"] - SRAM_BASE, 16)
        simd, matrix = (_RATE_INSTRUCTIONS / int.from_bytes(counts[at : at + 8], "little") for at in (0, 8))
        stage.note = f"{simd:.2f} and {matrix:.2f} per cycle"
    return {
        "simd_operations_per_cycle": simd,
        "matrix_steps_per_cycle": matrix,
        "fp32_flop_per_cycle": simd * 2 * config.fp32_lanes,
    }


def idle_speed(stages: Stages) -> dict[str, Any]:
    """An array in which one node runs a loop and all others are idle, against that node alone."""
    library = build_simulator(CONFIG, "macro", None, stages)
    program = assemble(_LOOP.format(iterations=_IDLE_CYCLES), config=CONFIG)
    speeds = []
    with stages.stage("one busy node among idle ones") as stage:
        for rows, columns in ((1, 1), (_IDLE_ROWS, _IDLE_COLUMNS)):
            with SimulatedArray(CONFIG, rows, columns, threads=1, library=library) as array:
                load_program(array, program, [(0, 0)])
                array.write_register(0, 0, thread_offset(0, ThreadRegister.PC), SRAM_BASE)
                start = time.perf_counter()
                cycles = array.run(_IDLE_CYCLES).cycles
                speeds.append(cycles / (time.perf_counter() - start))
        stage.note = f"{speeds[1]:,.0f} cycles/s"
    return {
        "nodes": _IDLE_ROWS * _IDLE_COLUMNS,
        "cycles_per_second_alone": speeds[0],
        "cycles_per_second": speeds[1],
        "node_cycles_per_second": speeds[1] * _IDLE_ROWS * _IDLE_COLUMNS,
    }


def network_figures(config: NodeConfig, stages: Stages) -> dict[str, Any]:
    """What a hop costs and what a link carries, in exact cycles: a host reads and writes along a row of idle nodes."""
    library = build_simulator(config, "macro", None, stages)

    with stages.stage("network") as stage, SimulatedArray(config, 1, _ROW_COLUMNS, threads=1, library=library) as array:

        def cycles_of(action: Callable[[], object]) -> int:
            start = array.cycle
            action()
            return array.cycle - start

        near, far = (cycles_of(partial(array.read, x, 0, 0, config.line_bytes)) for x in (1, _ROW_COLUMNS - 1))
        short, long = (
            cycles_of(partial(array.write, _ROW_COLUMNS - 1, 0, 0, bytes(lines * config.line_bytes)))
            for lines in (_STREAM_LINES, 2 * _STREAM_LINES)
        )
        # A read goes there and back.
        cycles_per_hop = (far - near) / (2 * (_ROW_COLUMNS - 2))
        bytes_per_cycle = _STREAM_LINES * config.line_bytes / (long - short)
        stage.note = f"{cycles_per_hop:g} cycles per hop, {bytes_per_cycle:g} bytes per cycle and link"
    return {"cycles_per_hop": cycles_per_hop, "bytes_per_cycle_and_link": bytes_per_cycle}


def _fastest(action: Callable[[], object]) -> float:
    """Seconds that one core takes for the fastest of a few runs, after one that fills tables."""
    action()
    seconds = []
    for _ in range(_REPEATS):
        # Time of all threads, since NumPy's matrix product may use several.
        start = time.process_time()
        action()
        seconds.append(time.process_time() - start)
    return min(seconds)


def golden_speed(stages: Stages) -> dict[str, Any]:
    """The golden matrix product, and the golden node's instructions."""
    rng = np.random.default_rng(1)
    wide = [random_operand(rng, 256, 256) for _ in range(2)]
    normal = [encode(rng.standard_normal((256, 256)).astype(np.float32), BF16) for _ in range(2)]
    eight_bits = [random_operand(rng, 256, 256, FormatDescriptor(FormatKind.CFP8_143, 7)) for _ in range(2)]
    figures: dict[str, Any] = {}
    with stages.stage("golden matrix product") as stage:
        for name, (left, right), fmt in (("wide", wide, BF16), ("normal", normal, BF16), ("1-4-3", eight_bits, cfp8_143(7))):
            seconds = _fastest(partial(matmul, left, right, fmt, fmt))
            figures[f"gmac_per_second_{name}"] = 256**3 / seconds / 1e9
        stage.note = f"{figures['gmac_per_second_wide']:.2f} GMAC/s"
    with stages.stage("golden node") as stage:
        array = GoldenArray(CONFIG, 1, 1)
        program = assemble(_LOOP.format(iterations=_LOOP_ITERATIONS), config=CONFIG)
        start = time.perf_counter()
        report = run_program(array, program, 100 * _LOOP_ITERATIONS)
        figures["instructions_per_second"] = report.nodes[0].retired / (time.perf_counter() - start)
        stage.note = f"{figures['instructions_per_second']:,.0f} instructions/s"
    return figures


def convert_speed(stages: Stages) -> dict[str, dict[str, float]]:
    """Converts of the golden model: elements per second from and to binary32, nearest and stochastic, by format."""
    values = np.random.default_rng(1).standard_normal(_ELEMENTS).astype(np.float32)
    figures = {}
    with stages.stage("golden converts") as stage:
        for done, (name, fmt) in enumerate(_FORMATS.items()):
            stage.advance(done / len(_FORMATS), name)
            codes = encode(values, fmt)
            actions: dict[str, Callable[[], object]] = {
                "encode": partial(encode, values, fmt),
                "encode_stochastic": partial(encode, values, fmt, "stochastic"),
                "decode": partial(decode, codes, fmt),
            }
            figures[name] = {f"{what}_per_second": _ELEMENTS / _fastest(action) for what, action in actions.items()}
        slowest = {what: min(each[what] for each in figures.values()) for what in ("encode_per_second", "decode_per_second")}
        stage.note = ", ".join(f"{what.split('_')[0]} {speed / 1e6:,.0f} M/s or more" for what, speed in slowest.items())
    return figures
