# SPDX-License-Identifier: Apache-2.0
"""The matrix array in several sizes and passes, and the macro that replaces it, against the model in every cycle."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden.config import MATRIX_K, NodeConfig, preset
from golden.layout import FormatKind
from rtl.macros.verilog import matrix_macro_verilog
from rtl.matrix.array import matrix_entries, matrix_modules, matrix_name
from verif.bench import bench_parameters, bench_rng, bench_seed, check_property, play, start
from verif.golden import vectors
from verif.rtl.matrix.model import (
    Answer,
    Cycle,
    MatrixArrayModel,
    Op,
    convert_distance,
    convert_turns,
    op_distance,
    read_distance,
    step_distance,
)
from verif.rtl.side_by_side import run_side_by_side

#: Preset and passes. Units of ``tiny`` in 2 passes serve two rows, in 4 two columns too, and so does the one of ``medium`` in 16;
#: those of ``medium`` in 2 take rows by twos.
CONFIGS = [("tiny", 1), ("tiny", 2), ("tiny", 4), ("medium", 2), ("medium", 4), ("medium", 16), ("d1", 1)]

OPERAND_KINDS = (FormatKind.BF16, FormatKind.CFP8_143, FormatKind.CFP8_152)

Codes = npt.NDArray[np.unsignedinteger[Any]]


def run(preset_name: str, passes: int, test: str, **parameters: int) -> None:
    __tracebackhide__ = True
    config = preset(preset_name).replace(matrix_passes=passes)
    run_side_by_side(
        matrix_name(config),
        matrix_modules(config),
        matrix_macro_verilog(config),
        test_module=__name__,
        test=test,
        parameters={"config": preset_name, "passes": passes, **parameters},
    )


@pytest.mark.parametrize("name, passes", CONFIGS)
def test_steps_without_pause_of_every_pair_of_formats_and_every_bias_equal_the_model(name: str, passes: int) -> None:
    run(name, passes, "sustained_steps", random=2000 if passes == 1 else 500)


@pytest.mark.parametrize("name, passes", CONFIGS)
def test_any_ops_at_allowed_distances_equal_the_model_in_every_cycle(name: str, passes: int) -> None:
    run(name, passes, "random_ops", cycles=2000)


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_any_few_ops_equal_the_model_in_every_cycle(passes: int) -> None:
    run("tiny", passes, "any_ops")


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_sums_of_the_least_and_the_greatest_are_those_of_the_model(passes: int) -> None:
    run("tiny", passes, "corners", steps=1500)


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_reset_drops_what_has_not_been_written(passes: int) -> None:
    run("tiny", passes, "reset_drops_ops")


# ---------------------------------------------------------------------------------------------------------------------


def bench_config() -> NodeConfig:
    """The configuration of the array on the bench."""
    return preset(bench_parameters()["config"]).replace(matrix_passes=bench_parameters()["passes"])


def drive(dut: Any, cycles: list[Cycle]) -> dict[str, list[int]]:
    """Values of ports, for one cycle more, in which nothing goes on; ports that never change are set, which is all they need."""

    def number(value: Any) -> int:
        if isinstance(value, bytes):
            return int.from_bytes(value, "little")
        if isinstance(value, tuple):
            return sum(each << 24 * lane for lane, each in enumerate(value))
        return int(value)

    cycles = [*cycles, replace(cycles[-1], op=Op.NONE, convert=0, rst=0)]
    inputs = {field.name: [number(getattr(cycle, field.name)) for cycle in cycles] for field in fields(Cycle)}
    for name, values in list(inputs.items()):
        if name != "op" and len(set(values)) == 1:
            getattr(dut, name).value = inputs.pop(name)[0]
    return inputs


async def compare(dut: Any, model: MatrixArrayModel, cycles: list[Cycle]) -> None:
    """Play cycles to hardware and macro, and compare what each answered with the model in every cycle."""
    line = model.config.line_bytes
    outputs = [f"{kind}_{field.name}" for kind in ("rtl", "macro") for field in fields(Answer)]
    record = await play(dut, drive(dut, cycles), outputs)
    expected = model.answers(cycles)
    for kind in ("rtl", "macro"):
        for now, (cycle, answer) in enumerate(zip(cycles, expected, strict=True)):
            seen = {field.name: record[f"{kind}_{field.name}"][now + 1] for field in fields(Answer)}
            for name, what in (
                ("read_data", f"read of entry {cycle.read_entry} line {cycle.read_line}"),
                ("converted", f"conversion {cycle.convert_format.name}"),
            ):
                value = getattr(answer, name)
                bytes_seen = seen[name].to_bytes(line, "little")
                assert value is None or bytes_seen[: len(value)] == value, (
                    f"{kind}: {what} in cycle {now} is\n{value.hex(' ')}, not\n{bytes_seen.hex(' ')}"
                )
            assert answer.convert_flags is None or seen["convert_flags"] == answer.convert_flags, (
                f"{kind}: flags of cycle {now} are {answer.convert_flags:#04x}, not {seen['convert_flags']:#04x}"
            )


def read_all(config: NodeConfig) -> list[Cycle]:
    """Cycles that read every line after all ops have been written."""
    idle = [Cycle()] * read_distance(config)
    return idle + [
        Cycle(read_entry=entry, read_line=line)
        for entry in range(matrix_entries(config))
        for line in range(config.accumulator_lines)
    ]


def tiles(config: NodeConfig, rng: np.random.Generator, steps: tuple[Codes, Codes], **formats: Any) -> list[Cycle]:
    """Steps from those of single elements (n, 4): M of them on the diagonal of each tile, mixtures elsewhere.

    Of codes of 8 bits, the other half of the line is filled with anything.
    """
    m = config.matrix_m
    rows, columns = steps
    count = len(rows) // m * m
    a = rows[:count].reshape(-1, m, MATRIX_K)
    b = columns[:count].reshape(-1, m, MATRIX_K).swapaxes(1, 2)
    cycles = []
    for index, operands in enumerate(zip(a, b, strict=True)):
        half = index % 2
        lines = []
        for operand in operands:
            tile = operand.tobytes()
            other = rng.bytes(config.line_bytes - len(tile))
            lines.append(other + tile if half else tile + other)
        cycles.append(Cycle(op=Op.STEP, a=lines[0], b=lines[1], half=half, **formats))
    return cycles


def steps_of_all_formats(config: NodeConfig, rng: np.random.Generator, random: int) -> list[Cycle]:
    """Steps with every kind of BF16 operand, of every pair of formats, and with every bias on both sides of each pair."""
    cycles = tiles(config, rng, vectors.all_steps(random, bench_seed()))
    kinds = {7: FormatKind.BF16, 3: FormatKind.CFP8_143, 2: FormatKind.CFP8_152}
    for steps in vectors.format_steps(random // 20, bench_seed()):
        formats = {
            "format_a": kinds[steps.a_format.mantissa_bits],
            "format_b": kinds[steps.b_format.mantissa_bits],
            "bias_a": steps.a_format.bias_field,
            "bias_b": steps.b_format.bias_field,
        }
        cycles += tiles(config, rng, (steps.a, steps.b), **formats)

    def anything(kind: FormatKind) -> Codes:
        dtype = np.uint16 if kind is FormatKind.BF16 else np.uint8
        return rng.integers(0, 1 << 8 * dtype().itemsize, (2 * config.matrix_m, MATRIX_K), dtype)

    for kind_a in OPERAND_KINDS:
        for kind_b in OPERAND_KINDS:
            for bias, other in enumerate(rng.permutation(64).tolist()):
                formats = {"format_a": kind_a, "format_b": kind_b, "bias_a": bias, "bias_b": other}
                cycles += tiles(config, rng, (anything(kind_a), anything(kind_b)), **formats)
    return cycles


@cocotb.test()
async def sustained_steps(dut: Any) -> None:
    config = bench_config()
    await start(dut)
    model = MatrixArrayModel(config)
    entries, passes = matrix_entries(config), step_distance(config)
    steps = steps_of_all_formats(config, bench_rng(), bench_parameters()["random"])
    # Steps of one entry follow each other as closely as they may, or all entries take turns.
    used = min(entries, max(3, -(-op_distance(config) // passes)))
    # Each step from zero, so that no accumulator stays infinite, then sums of longer chains.
    for chain, chosen in ((1, steps), (5, steps[::3])):
        cycles = []
        for index, step in enumerate(chosen):
            cycles.append(replace(step, entry=index % used, zero=int(index // used % chain == 0)))
            # Operands are sampled once.
            cycles += [Cycle(a=step.b, b=step.a, half=1 - step.half, format_a=step.format_b)] * (passes - 1)
        # The latest op that can be seen, and each of its lines once in a while.
        latest = read_distance(config)
        cycles = [
            replace(
                cycle,
                read_entry=(now - latest) // passes % used,
                read_line=now // passes // used % config.accumulator_lines,
            )
            for now, cycle in enumerate(cycles)
        ]
        await compare(dut, model, cycles + read_all(config))


#: Zero, the least numbers, one and the greatest, with both signs, of CFP8 with a bias of 7 or 15 for one.
CORNERS: dict[FormatKind, Codes] = {
    FormatKind.BF16: np.array([0x0000, 0x0001, 0x0080, 0x3F80, 0x7F7F], np.uint16),
    FormatKind.CFP8_143: np.array([0x00, 0x01, 0x08, 0x38, 0x7F], np.uint8),
    FormatKind.CFP8_152: np.array([0x00, 0x01, 0x04, 0x3C, 0x7F], np.uint8),
}


@cocotb.test()
async def corners(dut: Any) -> None:
    """From accumulators of -0, which show the sign of a sum of zero."""
    config = bench_config()
    await start(dut)
    rng = bench_rng()
    lines = config.accumulator_lines
    minus_zeros = np.full(config.fp32_lanes, 0x8000_0000, np.uint32).tobytes()
    biases = {FormatKind.BF16: 0, FormatKind.CFP8_143: 7, FormatKind.CFP8_152: 15}
    cycles = []
    for index in range(bench_parameters()["steps"]):
        formats: dict[str, Any] = {}
        operands: list[Codes] = []
        for side in "ab":
            kind = OPERAND_KINDS[rng.integers(len(OPERAND_KINDS))]
            bias = biases[kind] if rng.random() < 0.5 else int(rng.choice((0, 63)))
            formats |= {f"format_{side}": kind, f"bias_{side}": bias}
            # Few of them at a time, so that sums cancel.
            codes = CORNERS[kind][[*rng.integers(0, len(CORNERS[kind]), 2).tolist(), 0]]
            signs = rng.integers(0, 2, (config.matrix_m, MATRIX_K)) << 8 * codes.itemsize - 1
            operands.append(codes[rng.choice(3, signs.shape, p=(0.4, 0.4, 0.2))] | signs.astype(codes.dtype))
        entry = index % matrix_entries(config)
        ops = [Cycle(op=Op.LOAD_LINE, entry=entry, line=line, a=minus_zeros) for line in range(lines)]
        ops += tiles(config, rng, (operands[0], operands[1]), entry=entry, **formats)
        cycles += [cycle for op in ops for cycle in (op, *[Cycle()] * (op_distance(config) - 1))]
    latest = read_distance(config)
    cycles = [
        replace(cycle, read_entry=cycles[now - latest].entry if now >= latest else 0, read_line=now % lines)
        for now, cycle in enumerate(cycles)
    ]
    await compare(dut, MatrixArrayModel(config), cycles + read_all(config))


def reads_and_converts(
    config: NodeConfig, rng: np.random.Generator, cycles: list[Cycle], used: int, *, last: bool
) -> dict[str, Any]:
    """What is read and converted after these cycles: anything, but a conversion's inputs stay while it takes them.

    ``last``: none may begin.
    """
    turns = convert_turns(config)
    address = {"read_entry": int(rng.integers(used)), "read_line": int(rng.integers(config.accumulator_lines))}
    inputs = {
        "convert_format": FormatKind(int(rng.integers(len(FormatKind)))),
        "convert_bias": int(rng.integers(64)),
        "convert_stochastic": int(rng.integers(2)),
        "convert_random": tuple(rng.integers(0, 1 << 24, config.fp32_lanes).tolist()),
    }
    since = next((ago for ago, cycle in enumerate(reversed(cycles), 1) if cycle.convert), convert_distance(config))
    convert = bool(cycles) and not last and since >= convert_distance(config) and rng.random() < 0.5
    if since < turns:
        inputs = {name: getattr(cycles[-1], name) for name in inputs}
    if since < turns - 1 or (convert and turns > 1):
        address = {name: getattr(cycles[-1], name) for name in address}
    return {**address, **inputs, "convert": int(convert)}


def random_cycles(config: NodeConfig, rng: np.random.Generator, steps: list[Cycle], count: int) -> list[Cycle]:
    """Ops of all kinds with and without gaps between them, never closer than allowed; reads anywhere; converts."""
    entries, lines, lanes = matrix_entries(config), config.accumulator_lines, config.fp32_lanes
    loads = vectors.addend_pairs(rng, count * lanes)[0]
    rng.shuffle(loads)
    last = dict.fromkeys(range(entries), -op_distance(config))
    cycles: list[Cycle] = []
    busy = 0.5
    # Few entries, so that ops follow each other closely on each.
    used = min(entries, 3)
    for now in range(count):
        if now % 64 == 0:
            busy = float(rng.choice((0.2, 0.7, 1.0)))
        entry = int(rng.integers(used))
        op = Op.NONE
        free = now - max(last.values()) >= step_distance(config) and now - last[entry] >= op_distance(config)
        if rng.random() < busy and free:
            op = Op(rng.choice((1, 1, 1, 1, 2, 2, 3)))
            last[entry] = now
        cycle = steps[int(rng.integers(len(steps)))]
        if op is Op.LOAD_LINE:
            cycle = replace(cycle, a=loads[now * lanes :][:lanes].tobytes())
        cycles.append(
            replace(
                cycle,
                op=op,
                entry=entry,
                line=int(rng.integers(lines)),
                zero=int(rng.random() < 0.2),
                **reads_and_converts(config, rng, cycles, used, last=now + convert_distance(config) >= count),
            )
        )
    return cycles


@cocotb.test()
async def random_ops(dut: Any) -> None:
    config = bench_config()
    await start(dut)
    rng = bench_rng()
    cycles = random_cycles(config, rng, steps_of_all_formats(config, rng, 500), bench_parameters()["cycles"])
    await compare(dut, MatrixArrayModel(config), cycles + read_all(config))


@cocotb.test()
async def any_ops(dut: Any) -> None:
    config = bench_config()
    await start(dut)
    entries = matrix_entries(config)
    codes = st.one_of(st.integers(0, 0xFFFF), st.sampled_from(vectors.BF16_CORNERS))
    line = st.lists(codes, min_size=config.bf16_lanes, max_size=config.bf16_lanes).map(
        lambda values: np.array(values, np.uint16).tobytes()
    )
    bias = st.integers(0, 63)
    random = st.integers(0, (1 << 24) - 1)
    cycle = st.builds(
        Cycle,
        op=st.sampled_from(Op),
        entry=st.integers(0, entries - 1),
        zero=st.integers(0, 1),
        a=line,
        b=line,
        format_a=st.sampled_from(OPERAND_KINDS),
        format_b=st.sampled_from(OPERAND_KINDS),
        bias_a=bias,
        bias_b=bias,
        half=st.integers(0, 1),
        read_entry=st.integers(0, entries - 1),
        convert=st.integers(0, 1),
        convert_format=st.sampled_from(FormatKind),
        convert_bias=bias,
        convert_stochastic=st.integers(0, 1),
        convert_random=st.tuples(*[random] * config.fp32_lanes),
    )

    turns = convert_turns(config)

    async def check(cycles: list[Cycle]) -> None:
        kept = [Cycle()]
        for each in cycles:
            if each.convert and turns > 1:
                kept.append(Cycle(read_entry=each.read_entry))
            if each.op is not Op.NONE:
                ops = [(len(kept) - now, before.entry) for now, before in enumerate(kept) if before.op is not Op.NONE]
                distances = [op_distance(config) - ago for ago, entry in ops if entry == each.entry]
                distances += [step_distance(config) - ago for ago, _ in ops]
                kept += [Cycle(read_entry=each.read_entry)] * max([0, *distances])
            kept.append(each)
            if each.convert:
                kept += [replace(each, op=Op.NONE, convert=0)] * (turns - 1)
                kept += [Cycle()] * (convert_distance(config) - turns)
        await FallingEdge(dut.clk)
        clear = [Cycle(op=Op.CLEAR, entry=entry) for entry in range(entries)]
        spaced = [cycle for each in clear for cycle in (each, *[Cycle()] * (step_distance(config) - 1))]
        await play(dut, drive(dut, spaced), [], extra_cycles=read_distance(config))
        await compare(dut, MatrixArrayModel(config), kept + read_all(config))

    await check_property(check, max_examples=60, cycles=st.lists(cycle, min_size=1, max_size=12))


@cocotb.test()
async def reset_drops_ops(dut: Any) -> None:
    config = bench_config()
    await start(dut)
    model = MatrixArrayModel(config)
    rng = bench_rng()
    steps = steps_of_all_formats(config, rng, 100)
    distance = read_distance(config)
    for delay in range(distance + 1):
        cycles = random_cycles(config, rng, steps, 2 * distance)
        # Ops up to the reset, so that each stage of the pipeline holds one in one of the rounds.
        await compare(dut, model, [*cycles, *([Cycle()] * delay), Cycle(rst=1), *read_all(config)])
