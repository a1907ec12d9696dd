# SPDX-License-Identifier: Apache-2.0
"""The matrix array in all sizes, and the macro that replaces it, against the model in every cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden.config import MATRIX_K, NodeConfig, preset
from rtl.macros.verilog import matrix_macro_verilog
from rtl.matrix.array import matrix_entries, matrix_modules, matrix_name
from verif.bench import bench_parameters, bench_rng, bench_seed, check_property, play, start
from verif.golden import vectors
from verif.rtl.matrix.model import OP_DISTANCE, READ_DISTANCE, Cycle, MatrixArrayModel, Op
from verif.rtl.side_by_side import run_side_by_side

CONFIGS = ["tiny", "medium", "d1"]

Codes = npt.NDArray[np.uint16]


def run(preset_name: str, test: str, **parameters: int) -> None:
    __tracebackhide__ = True
    config = preset(preset_name)
    run_side_by_side(
        matrix_name(config),
        matrix_modules(config),
        matrix_macro_verilog(config),
        test_module=__name__,
        test=test,
        parameters={"config": preset_name, **parameters},
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_one_step_per_cycle_with_every_kind_of_operand_equals_the_model(name: str) -> None:
    run(name, "sustained_steps", random=4000)


@pytest.mark.parametrize("name", CONFIGS)
def test_any_ops_at_allowed_distances_equal_the_model_in_every_cycle(name: str) -> None:
    run(name, "random_ops", cycles=2000)


def test_any_few_ops_equal_the_model_in_every_cycle() -> None:
    run("tiny", "any_ops")


def test_reset_drops_what_has_not_been_written() -> None:
    run("tiny", "reset_drops_ops")


# ---------------------------------------------------------------------------------------------------------------------


async def compare(dut: Any, model: MatrixArrayModel, cycles: list[Cycle]) -> None:
    """Play cycles to hardware and macro, and compare what each answered with the model in every cycle."""
    line = model.config.line_bytes
    fields = ("op", "entry", "line", "zero", "read_entry", "read_line", "rst")
    inputs = {field: [int(getattr(cycle, field)) for cycle in cycles] for field in fields}
    inputs |= {side: [int.from_bytes(getattr(cycle, side), "little") for cycle in cycles] for side in ("a", "b")}
    # The last op must not go on.
    inputs["op"].append(0)
    inputs = {field: values + values[-1:] * (len(cycles) + 1 - len(values)) for field, values in inputs.items()}
    record = await play(dut, inputs, ["rtl_read_data", "macro_read_data"])
    expected = model.answers(cycles)
    for kind in ("rtl", "macro"):
        for now, answer in enumerate(expected):
            seen = record[f"{kind}_read_data"][now + 1].to_bytes(line, "little")
            assert seen == answer, (
                f"{kind}: read of entry {cycles[now].read_entry} line {cycles[now].read_line} in cycle {now} is\n"
                f"{np.frombuffer(answer, '<u4')}, not\n{np.frombuffer(seen, '<u4')}"
            )


def read_all(config: NodeConfig) -> list[Cycle]:
    """Cycles that read every line after all ops have been written."""
    idle = [Cycle()] * READ_DISTANCE
    return idle + [
        Cycle(read_entry=entry, read_line=line)
        for entry in range(matrix_entries(config))
        for line in range(config.accumulator_lines)
    ]


def tiles(config: NodeConfig, rows: Codes, columns: Codes) -> list[tuple[bytes, bytes]]:
    """Operand lines from steps of single elements (n, 4): M of them on the diagonal of each tile, mixtures elsewhere."""
    m = config.matrix_m
    count = len(rows) // m * m
    a = rows[:count].reshape(-1, m, MATRIX_K)
    b = columns[:count].reshape(-1, m, MATRIX_K).swapaxes(1, 2)
    return [(x.tobytes(), np.ascontiguousarray(y).tobytes()) for x, y in zip(a, b, strict=True)]


@cocotb.test()
async def sustained_steps(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    await start(dut)
    model = MatrixArrayModel(config)
    entries = matrix_entries(config)
    operands = tiles(config, *vectors.all_steps(bench_parameters()["random"], bench_seed()))
    # Each step from zero, so that no accumulator stays infinite, then sums of longer chains.
    for chain in (1, 5):
        cycles = [
            Cycle(
                op=Op.STEP,
                entry=now % entries,
                zero=int(now // entries % chain == 0),
                a=a,
                b=b,
                # The latest op that can be seen.
                read_entry=(now - READ_DISTANCE) % entries,
                read_line=now // entries % config.accumulator_lines,
            )
            for now, (a, b) in enumerate(operands)
        ]
        await compare(dut, model, cycles + read_all(config))


def random_cycles(config: NodeConfig, rng: np.random.Generator, count: int) -> list[Cycle]:
    """Ops of all kinds with and without gaps between them, never two on an entry closer than allowed; reads anywhere."""
    entries, lines = matrix_entries(config), config.accumulator_lines
    operands = tiles(config, *vectors.random_steps(rng, count * config.matrix_m))
    loads = vectors.addend_pairs(rng, count * config.fp32_lanes)[0]
    rng.shuffle(loads)
    last = dict.fromkeys(range(entries), -OP_DISTANCE)
    cycles = []
    busy = 0.5
    for now in range(count):
        if now % 64 == 0:
            busy = float(rng.choice((0.2, 0.7, 1.0)))
        # Few entries, so that ops follow each other closely on each.
        entry = int(rng.integers(min(entries, 3)))
        op = Op.NONE
        if rng.random() < busy and now - last[entry] >= OP_DISTANCE:
            op = Op(rng.choice((1, 1, 1, 1, 2, 2, 3)))
            last[entry] = now
        a, b = operands[now]
        if op is Op.LOAD_LINE:
            a = loads[now * config.fp32_lanes :][: config.fp32_lanes].tobytes()
        cycles.append(
            Cycle(
                op=op,
                entry=entry,
                line=int(rng.integers(lines)),
                zero=int(rng.random() < 0.2),
                a=a,
                b=b,
                read_entry=int(rng.integers(min(entries, 3))),
                read_line=int(rng.integers(lines)),
            )
        )
    return cycles


@cocotb.test()
async def random_ops(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    await start(dut)
    cycles = random_cycles(config, bench_rng(), bench_parameters()["cycles"])
    await compare(dut, MatrixArrayModel(config), cycles + read_all(config))


@cocotb.test()
async def any_ops(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    await start(dut)
    entries = matrix_entries(config)
    codes = st.one_of(st.integers(0, 0xFFFF), st.sampled_from(vectors.BF16_CORNERS))
    line = st.lists(codes, min_size=config.bf16_lanes, max_size=config.bf16_lanes).map(
        lambda values: np.array(values, np.uint16).tobytes()
    )
    cycle = st.builds(
        Cycle,
        op=st.sampled_from(Op),
        entry=st.integers(0, entries - 1),
        zero=st.integers(0, 1),
        a=line,
        b=line,
        read_entry=st.integers(0, entries - 1),
    )

    async def check(cycles: list[Cycle]) -> None:
        kept: list[Cycle] = []
        for each in cycles:
            recent = [before.entry for before in kept[1 - OP_DISTANCE :] if before.op is not Op.NONE]
            kept += [Cycle()] * (OP_DISTANCE - 1) if each.entry in recent else []
            kept.append(each)
        await FallingEdge(dut.clk)
        clear = {"op": [Op.CLEAR.value] * entries + [0], "entry": [*range(entries), 0]}
        await play(dut, clear, [], extra_cycles=READ_DISTANCE)
        await compare(dut, MatrixArrayModel(config), kept + read_all(config))

    await check_property(check, max_examples=150, cycles=st.lists(cycle, min_size=1, max_size=12))


@cocotb.test()
async def reset_drops_ops(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    await start(dut)
    model = MatrixArrayModel(config)
    rng = bench_rng()
    for delay in range(READ_DISTANCE + 1):
        cycles = random_cycles(config, rng, 2 * READ_DISTANCE)
        # An op every other cycle up to the reset, so that each stage of the pipeline holds one in one of the rounds.
        await compare(dut, model, [*cycles, *([Cycle()] * delay), Cycle(rst=1), *read_all(config)])
