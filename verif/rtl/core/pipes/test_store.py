# SPDX-License-Identifier: Apache-2.0
"""The store pipe against the golden node: masks, traps, accumulators as they are and converted, exits, requests, kills."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import EXIT_BITS, GLOBAL_ADDRESS_BITS, SRAM_BASE, UPPER_BITS, FormatKind
from rtl.core.pipes.store import StorePipe
from verif.golden.encoding import encode
from verif.rtl.core.pipes.pipe_bench import Entering, Model, PipeBench, with_operands
from verif.rtl.core.pipes.store_player import Player, Store
from verif.rtl.simulate import Simulation, property_settings

_UPPER_SHIFT = GLOBAL_ADDRESS_BITS - UPPER_BITS
_EXIT_SHIFT = _UPPER_SHIFT - EXIT_BITS
_SMALL = preset("tiny").replace(sram_blocks=3, bank_lines=16)
#: Accumulators of one, two and four lines; one takes converters in turns.
CONFIGS = {
    16: _SMALL,
    32: _SMALL.replace(line_bytes=32, accumulators=4, matrix_passes=2),
    64: _SMALL.replace(line_bytes=64),
}
SIMULATIONS: dict[int, Simulation] = {
    line_bytes: Simulation(PipeBench(StorePipe(config), config)) for line_bytes, config in CONFIGS.items()
}
#: Arrays of nodes are the test of ``nlist``.
ROWS = [
    row
    for row in INSTRUCTIONS.values()
    if row.unit in (Unit.STORE, Unit.VECTOR_STORE, Unit.ACCUMULATOR_STORE, Unit.NETWORK) and row.mnemonic != "nlist"
]


def stores(config: NodeConfig, tohost: int) -> st.SearchStrategy[Store]:
    end, line = SRAM_BASE + config.sram_bytes, config.line_bytes
    inside = st.integers(0, config.sram_bytes - 1)
    address = st.one_of(
        inside.map(lambda offset: SRAM_BASE + offset // line * line),
        inside.map(lambda offset: SRAM_BASE + offset // 8 * 8),
        inside.map(lambda offset: SRAM_BASE + offset),
        st.integers(-6, 2).map(lambda lines: end + lines * line),
        st.integers(-line, line).map(lambda distance: end + distance),
        st.just(tohost),
        st.just(tohost),
        st.sampled_from((tohost + 1, tohost + 8, 0, SRAM_BASE - 8, SRAM_BASE | 1 << 40, SRAM_BASE | 1 << 21)),
    )
    elsewhere = st.one_of(
        # Every exit as often, also those that are no port.
        st.builds(
            lambda where, exit_, upper: where // line * line | exit_ << _EXIT_SHIFT | upper << _UPPER_SHIFT,
            st.integers(0, 2**_EXIT_SHIFT - 1),
            st.sampled_from(range(8)),
            st.sampled_from((0, 0, 1, 2**UPPER_BITS - 1)),
        ),
        st.integers(0, 2**64 - 1).map(lambda where: where // 8 * 8),
        st.integers(0, 2**52 - 1),
    )
    contents = st.binary(min_size=line, max_size=line)
    corner = st.sampled_from((0, 1 << 31, 0x3F80_0000, 0x7F80_0000, 0x7F80_0001, 1, 0x7F7F_FFFF, 0xBF81_8181))
    elements = st.lists(corner | st.integers(0, 2**32 - 1), min_size=4, max_size=4)

    def different(chosen: list[int]) -> bytes:
        """Elements of an accumulator that has no two lines alike."""
        numbers = (chosen[n % 4] ^ n // 4 * 0x0101_0101 for n in range(config.accumulator_bytes // 4))
        return b"".join(number.to_bytes(4, "little") for number in numbers)

    accumulator = elements.map(different)
    descriptor = st.builds(lambda kind, bias: kind << 6 | bias, st.sampled_from(list(FormatKind)), st.integers(0, 63))

    def of_row(
        row: Any, noise: int, here: int, there: int, value: int, vector: bytes, accumulator: bytes, descriptor: int,
        pause: int, killed: bool,
    ) -> Store:  # fmt: skip
        if row.unit is Unit.ACCUMULATOR_STORE:
            noise = noise & ~(31 << 7) | noise % config.accumulators << 7
        if "sem" in row.operands:
            noise = noise & ~(31 << 7) | noise % config.semaphores << 7
        insn = int(row.match | noise & ~row.mask & 0xFFFF_FFFF)
        if insn >> 15 & 31 == 0:
            insn |= 1 << 15
        if "rs2" in row.operands and insn >> 20 & 31 == insn >> 15 & 31:
            insn ^= 1 << 21
        immediate = 0
        if "imm_s" in row.operands and not row.post_increment:
            immediate = ((insn >> 25 << 5 | insn >> 7 & 31) ^ 0x800) - 0x800
        address = there if row.unit is Unit.NETWORK else here - immediate
        entering = with_operands(Entering(insn, SRAM_BASE, address % 2**64, value, 0, noise >> 1 & 3))[0]
        return Store(entering, vector, accumulator, descriptor, pause, killed)

    return st.builds(
        of_row,
        st.sampled_from((Unit.STORE, Unit.VECTOR_STORE, Unit.ACCUMULATOR_STORE, Unit.ACCUMULATOR_STORE, Unit.NETWORK)).flatmap(
            lambda unit: st.sampled_from([row for row in ROWS if row.unit is unit])
        ),
        st.integers(0, 2**32 - 1),
        address,
        elsewhere,
        st.integers(0, 2**64 - 1),
        contents,
        accumulator,
        descriptor,
        st.sampled_from((0, 0, 0, 1, 3)),
        st.sampled_from((False,) * 5 + (True,)),
    )


@pytest.mark.parametrize("line_bytes", CONFIGS)
def test_stores_and_requests_do_what_the_golden_node_does_however_late_memory_grants(line_bytes: int) -> None:
    config = CONFIGS[line_bytes]
    model, tohost = Model(config), SRAM_BASE + 0x88

    @property_settings(100)
    @given(
        st.lists(stores(config, tohost), min_size=1, max_size=10),
        st.lists(st.booleans(), max_size=6).map(lambda some: [*some, True]),
    )
    def holds(stimuli: list[Store], grants: list[bool]) -> None:
        async def check(context: Any) -> None:
            await Player(context, SIMULATIONS[line_bytes].component, model, tohost, grants).play(stimuli)

        SIMULATIONS[line_bytes].run(check)

    holds()


def store(config: NodeConfig, mnemonic: str, address: int, value: int = 0, descriptor: int = 0) -> Store:
    """A store at an address; of a scalar, or of accumulator 1 in the format of a descriptor."""
    row = INSTRUCTIONS[mnemonic]
    fields = {"rs2": 11, "vs2": 11, "fmt": 5}
    operands = (0 if name == "imm_s" else 1 if name == "md" else 10 if name == "rs1" else fields[name] for name in row.operands)
    contents = bytes(range(config.accumulator_bytes))
    entering = Entering(encode(mnemonic, *operands), SRAM_BASE, address, value)
    return Store(entering, contents[: config.line_bytes], contents, descriptor, 0, False)


@pytest.mark.parametrize("line_bytes", CONFIGS)
def test_accumulators_at_the_end_of_memory_are_stored_as_a_whole_or_not_at_all(line_bytes: int) -> None:
    """Every format, at every place there that is a multiple of an element."""
    config = CONFIGS[line_bytes]
    end = SRAM_BASE + config.sram_bytes
    stimuli = [
        store(config, mnemonic, end + distance, descriptor=kind << 6 | 5)
        for kind in FormatKind
        for mnemonic in ("mst.f32", "mst.bf16", "mst.x", "mst.x.sp")
        if kind == 0 or "fmt" in INSTRUCTIONS[mnemonic].operands
        for distance in range(-config.accumulator_bytes - line_bytes, line_bytes, line_bytes // 4)
    ]

    async def check(context: Any) -> None:
        await Player(context, SIMULATIONS[line_bytes].component, Model(config), 0, [True]).play(stimuli)

    SIMULATIONS[line_bytes].run(check)


def test_scalar_stores_to_tohost_exit_if_bit_0_is_set_with_what_they_store() -> None:
    config = CONFIGS[16]
    tohost = SRAM_BASE + 0x88
    stimuli = [
        store(config, mnemonic, tohost + distance, value)
        for mnemonic in ("sb", "sh", "sw", "sd", "vst")
        for value in (0, 1, 2, 0x8765_4321_8765_4321, 0xFFFF_FFFF_FFFF_FFFE, 0x100)
        for distance in (0, 1, -8, 8)
    ]

    async def check(context: Any) -> None:
        for grants in ([True], [False, False, True]):
            await Player(context, SIMULATIONS[16].component, Model(config), tohost, grants).play(stimuli)

    SIMULATIONS[16].run(check)
