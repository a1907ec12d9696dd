# SPDX-License-Identifier: Apache-2.0
"""Loads and stores of vector registers: lines, and gathers granule by granule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE, Cause, ControlRegister
from verif.golden.encoding import encode
from verif.golden.nodes import AT, CONFIGS, DATA, make, named, trapped

GRANULES = (8, 16)


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_vector_load_and_store_move_whole_lines(config: NodeConfig) -> None:
    line = config.line_bytes
    data = np.random.default_rng(1).bytes(4 * line)
    words = [
        encode("vld.p", 1, 5, line), encode("vld", 2, line, 5), encode("vld.p", 3, 5, -line),
        encode("vst", 1, 4 * line, 5), encode("vst.p", 2, 6, -line), encode("vst.p", 3, 6, 8),
    ]  # fmt: skip
    node = make(config, words, data, {5: AT, 6: AT + 6 * line})
    lines = [bytes(node.sram[DATA + i * line : DATA + (i + 1) * line]) for i in range(8)]
    first, third, second = data[:line], data[2 * line : 3 * line], data[line : 2 * line]
    assert lines[4:7] == [first, second, third]
    assert node.threads[0].x[5] == AT
    assert node.threads[0].x[6] == AT + 5 * line + 8
    assert node.read_register(ControlRegister.LINES_LOADED) == 3
    assert node.read_register(ControlRegister.LINES_STORED) == 3


def test_every_scalar_store_writes_one_line_and_scalar_loads_count_nothing() -> None:
    words = [encode(name, 6, 0, 5) for name in ("sb", "sh", "sw", "sd")] + [encode("ld", 7, 0, 5)]
    node = make(preset("tiny"), words, b"", {5: AT, 6: 1})
    assert node.read_register(ControlRegister.LINES_STORED) == 4
    assert node.read_register(ControlRegister.LINES_LOADED) == 0


def gathered(data: bytes, positions: list[int | None], granule: int) -> bytes:
    """Granules at these positions of the data, zeros for None."""
    return b"".join(bytes(granule) if p is None else data[p : p + granule] for p in positions)


@pytest.mark.parametrize("granule", GRANULES)
@pytest.mark.parametrize("config", CONFIGS, ids=named)
@settings(max_examples=25, deadline=None)
@given(first=st.integers(0, 20), steps=st.integers(-6, 6), upper=st.integers(0, 2**32 - 1))
def test_strided_gather_takes_the_signed_low_half_as_stride(
    config: NodeConfig, granule: int, first: int, steps: int, upper: int
) -> None:
    count = config.line_bytes // granule
    data = np.random.default_rng(2).bytes(128 * granule)
    base = (48 + first) * granule
    stride = upper << 32 | steps * granule % (1 << 32)
    node = make(config, [encode(f"vlds.{granule}", 1, 5, 6)], data, {5: AT + base, 6: stride})
    assert node.threads[0].v[1] == gathered(data, [base + i * steps * granule for i in range(count)], granule)
    assert node.threads[0].x[5] == AT + base
    assert node.read_register(ControlRegister.LINES_LOADED) == count


@pytest.mark.parametrize("granule", GRANULES)
@pytest.mark.parametrize("config", CONFIGS, ids=named)
@pytest.mark.parametrize("limit", [-(2**31), -1, 0, 1, 2, 3, 5, 8, 100, 2**31 - 1])
def test_gather_with_a_count_reads_no_more_and_fills_with_zeros(config: NodeConfig, granule: int, limit: int) -> None:
    granules = config.line_bytes // granule
    count = min(granules, max(0, limit))
    data = np.random.default_rng(3).bytes((granules + 1) * granule)
    # The granule behind the last one that is read is not there.
    base = len(data) - granule
    operand = (limit % (1 << 32)) << 32 | -granule % (1 << 32)
    end = SRAM_BASE + config.sram_bytes
    node = make(
        config,
        [encode(f"vldsz.{granule}", 1, 5, 6), encode(f"vldsz.{granule}", 2, 7, 8)],
        data,
        {5: AT + base, 6: operand, 7: end - count * granule, 8: (limit % (1 << 32)) << 32 | granule},
        before=lambda thread: thread.v.__setitem__(1, b"\xff" * config.line_bytes),
    )
    positions = [base - i * granule if i < count else None for i in range(granules)]
    assert node.threads[0].v[1] == gathered(data, positions, granule)
    assert node.read_register(ControlRegister.LINES_LOADED) == 2 * count


@pytest.mark.parametrize("granule", GRANULES)
@pytest.mark.parametrize("config", CONFIGS, ids=named)
@pytest.mark.parametrize("far", [0, 1 << 31, (1 << 32) - (1 << 12)])
def test_indexed_gather_adds_unsigned_offsets(config: NodeConfig, granule: int, far: int) -> None:
    rng = np.random.default_rng(4)
    data = rng.bytes(64 * granule)
    positions = [int(p) * granule for p in rng.integers(0, 64, config.fp32_lanes)]
    offsets = np.array([far + p for p in positions], "<u4").tobytes()
    # From a base far below, or wrapping around, the offsets lead to the data.
    node = make(
        config, [encode(f"vldx.{granule}", 1, 5, 1)], data, {5: AT - far}, before=lambda thread: thread.v.__setitem__(1, offsets)
    )
    assert node.threads[0].v[1] == gathered(data, list(positions[: config.line_bytes // granule]), granule)


@pytest.mark.parametrize("granule", GRANULES)
@pytest.mark.parametrize("name", ["vlds", "vldsz", "vldx"])
def test_gather_traps_at_the_first_bad_granule_and_writes_nothing(name: str, granule: int) -> None:
    config = preset("d1")
    granules = config.line_bytes // granule
    end = SRAM_BASE + config.sram_bytes
    for bad in range(granules):
        # Granule `bad` is the first one beyond SRAM; by its index alone, a later one would be misaligned.
        base = end - bad * granule
        offsets = [i * granule for i in range(granules)]
        if name == "vldx":
            offsets[bad + 1 :] = [1] * (granules - bad - 1)
        node = trapped(
            config,
            [encode(f"{name}.{granule}", 1, 5, 2 if name == "vldx" else 6)],
            b"",
            {5: base, 6: 100 << 32 | granule},
            before=lambda thread, data=offsets: thread.v.__setitem__(  # type: ignore[misc]
                2, np.array(data, "<u4").tobytes().ljust(config.line_bytes, b"\0")
            ),
        )
        thread = node.threads[0]
        assert (thread.mcause, thread.mtval) == (Cause.LOAD_ACCESS_FAULT, end)
        assert thread.v[1] == bytes(config.line_bytes)
        assert node.read_register(ControlRegister.LINES_LOADED) == 0


@pytest.mark.parametrize("granule", GRANULES)
def test_misaligned_granule_is_found_before_it_is_found_missing(granule: int) -> None:
    config = preset("medium")
    end = SRAM_BASE + config.sram_bytes
    words = [encode(f"vlds.{granule}", 1, 5, 6)]
    for base, stride, cause, value in (
        (end + 4, 0, Cause.LOAD_MISALIGNED, end + 4),
        (end - granule, granule + 4, Cause.LOAD_MISALIGNED, end + 4),
        (AT, -(2**31), Cause.LOAD_ACCESS_FAULT, AT - 2**31),
        (granule, granule, Cause.LOAD_ACCESS_FAULT, granule),
    ):
        thread = trapped(config, words, b"", {5: base, 6: stride % (1 << 32)}).threads[0]
        assert (thread.mcause, thread.mtval) == (cause, value)


def test_granules_need_their_own_alignment_only() -> None:
    config = preset("d1")
    data = np.random.default_rng(5).bytes(128)
    assert make(config, [encode("vlds.8", 1, 5, 6)], data, {5: AT + 8, 6: 8}).threads[0].v[1] == data[8:72]
    thread = trapped(config, [encode("vlds.16", 1, 5, 6)], data, {5: AT + 8, 6: 16}).threads[0]
    assert (thread.mcause, thread.mtval) == (Cause.LOAD_MISALIGNED, AT + 8)


def test_gather_is_seen_as_one_write_of_its_register() -> None:
    config = preset("tiny")
    written: list[tuple[int, int, bytes]] = []

    def observe(thread: object) -> None:
        thread.node.on_vector_write = lambda *write: written.append(write)  # type: ignore[attr-defined]

    data = bytes(range(32))
    make(config, [encode("vldsz.8", 3, 5, 6)], data, {5: AT + 24, 6: 1 << 32}, before=observe)
    assert written == [(0, 3, data[24:] + bytes(8))]
