# SPDX-License-Identifier: Apache-2.0
"""The unit that moves bytes about, for all sizes of lines, against the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cocotb
import pytest
from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Unit
from golden.simd import SimdOperands, execute, transpose_group
from rtl.simd.operations import operation, sub_operation
from rtl.simd.permute import PermuteUnit
from verif.bench import bench_parameters, bench_rng, check_property, play, run_bench, start

LATENCY = 2
SIZES = {16: "tiny", 32: "medium", 64: "d1"}
FAMILIES = ("vsel", "vnarrow", "vshuf", "vslide", "vwiden", "vbc.", "vbcl")

#: Operations on at most two registers, and transposes.
SIMPLE = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD and row.mnemonic.startswith(FAMILIES)]
TRANSPOSES = {f"vtrn.e{bits}": bits for bits in (8, 16, 32)}

INPUTS = ("valid", "collect", "row", "op", "sub", "a", "b", "scalar", "mask")


class Bench(wiring.Component):
    """The unit as an instance: Verilator keeps all signals of the top, and optimises what is below."""

    def __init__(self, config: NodeConfig):
        super().__init__(PermuteUnit(config).signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        ports = {f"{'o' if name == 'result' else 'i'}_{name}": getattr(self, name) for name in self.signature.members}
        m.submodules.unit = Instance("permute_unit", i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        return m


def run(size: int, test: str) -> None:
    __tracebackhide__ = True
    config = preset(SIZES[size])
    toplevel = f"permute_bench_{size}"
    modules = {"permute_unit": PermuteUnit(config), toplevel: Bench(config)}
    run_bench(
        toplevel=toplevel, modules=modules, test_module=__name__, tests=[test], parameters={"config": SIZES[size]}
    )  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_every_lane_distance_and_part_moves_the_bytes_that_the_model_moves(size: int) -> None:
    run(size, "every_distance")


@pytest.mark.parametrize("size", SIZES)
def test_any_mix_of_operations_transposes_and_gaps_equals_the_model(size: int) -> None:
    run(size, "any_mix")


# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cycle:
    """What one cycle enters, and the result that it leads to; without one, the result before stays."""

    valid: int = 0
    collect: int = 0
    row: int = 0
    op: int = 0
    sub: int = 0
    a: bytes = b""
    b: bytes = b""
    scalar: int = 0
    mask: int = 0
    mnemonic: str = ""
    expected: bytes | None = None


def simple(config: NodeConfig, mnemonic: str, a: bytes, b: bytes, scalar: int, mask: int, free_sub: int) -> Cycle:
    """An operation that takes one cycle; ``free_sub`` is in the rs2 field where that is an operand."""
    seen = mask if mnemonic == "vsel" else -1
    expected = execute(mnemonic, config, SimdOperands(a=a, b=b, scalar=scalar, mask=seen)).value
    fixed = sub_operation(mnemonic)
    sub = free_sub if fixed is None else fixed
    return Cycle(1, 0, free_sub % 8, operation(mnemonic), sub, a, b, scalar, mask, mnemonic, expected)


def transpose(config: NodeConfig, mnemonic: str, group: tuple[bytes, ...], part: int, mask: int) -> list[Cycle]:
    """The pairs of a group, one per cycle; a group of one comes with some other second register."""
    expected = execute(mnemonic, config, SimdOperands(group=group, part=part)).value
    lines = group if len(group) > 1 else (*group, bytes(255 - byte for byte in group[0]))
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    entered: dict[str, Any] = {"op": operation(mnemonic), "sub": part, "mask": mask, "scalar": mask}
    cycles = [Cycle(collect=1, row=row, a=a, b=b, **entered) for row, (a, b) in enumerate(pairs[:-1])]
    last = Cycle(valid=1, row=len(pairs) - 1, a=pairs[-1][0], b=pairs[-1][1], mnemonic=mnemonic, expected=expected, **entered)
    return [*cycles, last]


async def compare(dut: Any, cycles: Iterable[Cycle]) -> None:
    """Play the cycles and compare the result of each that has one; results stay until the next."""
    cycles = list(cycles)
    inputs = {name: [getattr(cycle, name) for cycle in cycles] for name in INPUTS}
    inputs |= {name: [int.from_bytes(line, "little") for line in inputs[name]] for name in ("a", "b")}
    record = await play(dut, inputs, ["result"], extra_cycles=LATENCY)
    expected, mnemonic = None, ""
    for i, cycle in enumerate(cycles):
        if cycle.valid:
            expected, mnemonic = cycle.expected, cycle.mnemonic
        if expected is not None:
            result = record["result"][LATENCY + i].to_bytes(len(expected), "little")
            assert result == expected, (
                f"cycle {i}: {mnemonic} of a = {cycle.a.hex()}, b = {cycle.b.hex()}, scalar {cycle.scalar:#x}, "
                f"mask {cycle.mask:#x}, sub {cycle.sub} is\n{expected.hex()}, not\n{result.hex()}"
            )


@cocotb.test()
async def every_distance(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    size = config.line_bytes
    await start(dut)
    rng = bench_rng(size)
    scalars = [*range(2 * size + 2), *(1 << n for n in range(64)), *((1 << 64) - n for n in range(1, size + 2))]

    def numbers() -> bytes:
        """Different bytes, so that each tells where it is from."""
        return bytes(rng.permutation(256)[:size].tolist())

    cycles = []
    for scalar in scalars:
        mask = int.from_bytes(rng.bytes(size // 8), "little")
        for mnemonic in SIMPLE:
            if mnemonic.startswith(("vslide", "vbcl")) or scalar < 8:
                cycles.append(simple(config, mnemonic, numbers(), rng.bytes(size), scalar, mask, scalar % 32))
    for mnemonic, bits in TRANSPOSES.items():
        registers = transpose_group(config, bits)
        for part in range(registers):
            group = tuple(numbers() for _ in range(registers))
            cycles += transpose(config, mnemonic, group, part, part)
    await compare(dut, cycles)


def lanes_of(lane_bytes: int, values: list[int], size: int) -> st.SearchStrategy[bytes]:
    """Vectors of some values only."""
    lane = st.sampled_from([value.to_bytes(lane_bytes, "little") for value in values])
    return st.lists(lane, min_size=size // lane_bytes, max_size=size // lane_bytes).map(b"".join)


@cocotb.test()
async def any_mix(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    size = config.line_bytes
    await start(dut)

    line = st.binary(min_size=size, max_size=size)
    # Lanes at the limits of what narrowing and widening tell apart.
    edges32 = [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_7FFF, 0xFFFF_8000, 0xFFFF_FFFF]
    edges16 = [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFF7F, 0xFF80, 0xFFFF]
    vector = st.one_of(line, lanes_of(4, edges32, size), lanes_of(2, edges16, size))
    scalar = st.one_of(st.integers(0, 2 * size), st.integers(0, (1 << 64) - 1))
    mask = st.integers(0, (1 << size) - 1)
    sub = st.integers(0, 31)
    operations = st.builds(simple, st.just(config), st.sampled_from(SIMPLE), vector, vector, scalar, mask, sub)
    idle = st.builds(
        Cycle, op=st.sampled_from([operation(name) for name in (*SIMPLE, *TRANSPOSES)]), sub=sub, a=line, b=line,
        scalar=scalar, mask=mask, row=st.integers(0, 7),
    )  # fmt: skip

    @st.composite
    def transposes(draw: Any) -> list[Cycle]:
        """The pairs of a group with other things between, or only its first ones."""
        mnemonic = draw(st.sampled_from(sorted(TRANSPOSES)))
        registers = transpose_group(config, TRANSPOSES[mnemonic])
        group = draw(st.binary(min_size=registers * size, max_size=registers * size))
        parts = tuple(group[i * size : (i + 1) * size] for i in range(registers))
        cycles = transpose(config, mnemonic, parts, draw(st.integers(0, registers - 1)), draw(mask))
        if draw(st.booleans()):
            del cycles[draw(st.integers(0, len(cycles) - 1)) :]
        between = draw(st.lists(st.tuples(st.integers(0, len(cycles)), st.one_of(idle, operations)), max_size=4))
        for place, cycle in sorted(between, key=lambda item: -item[0]):
            cycles.insert(place, cycle)
        return cycles

    async def check(mix: list[list[Cycle]]) -> None:
        await FallingEdge(dut.clk)
        await compare(dut, [cycle for cycles in mix for cycle in cycles])

    one = st.one_of(operations.map(lambda cycle: [cycle]), idle.map(lambda cycle: [cycle]), transposes())
    await check_property(check, max_examples=200, mix=st.lists(one, min_size=1, max_size=8))
