# SPDX-License-Identifier: Apache-2.0
"""Format descriptors, sticky flags and the seed of stochastic rounding in the golden node."""

from __future__ import annotations

import numpy as np
import pytest

from golden.config import preset
from golden.layout import SRAM_BASE, Csr, Flag
from golden.thread import Thread
from verif.golden.encoding import encode
from verif.golden.nodes import HALT, make, prepare

TINY = preset("tiny")
FORMAT_CSRS = (Csr.MFORMAT0, Csr.MFORMAT1, Csr.MFORMAT2, Csr.MFORMAT3)
MINUS_1 = (1 << 64) - 1


def stored(value: int) -> int:
    """What a descriptor keeps of 16 bits: bias in bits 0-5, kind in bits 6-8, kinds 6 and 7 as 0."""
    kind = value >> 6 & 7
    return value & 0x3F | (kind if kind < 6 else 0) << 6


def read_formats() -> list[int]:
    """Words that read mformat0 to mformat3 into x20 to x23."""
    return [encode("csrrs", 20 + i, csr, 0) for i, csr in enumerate(FORMAT_CSRS)]


@pytest.mark.parametrize("number", range(16))
def test_setfmt_writes_one_descriptor_of_low_9_bits(number: int) -> None:
    for value in (0x1FF, 0x17F, 0x080, 0x03F, 0x1C5, MINUS_1, 0x145 | 1 << 9):
        thread = make(TINY, [encode("setfmt", number, 5), *read_formats()], b"", {5: value}).threads[0]
        expected = [0] * 4
        expected[number // 4] = stored(value & 0x1FF) << 16 * (number % 4)
        assert thread.x[20:24] == expected


@pytest.mark.parametrize("index", range(4))
def test_format_csr_holds_four_descriptors_lowest_first(index: int) -> None:
    value = 0xFFC1_0142_FE83_9004
    words = [encode("csrrw", 6, FORMAT_CSRS[index], 5), *read_formats(), encode("csrrc", 7, FORMAT_CSRS[index], 8)]
    thread = make(TINY, words, b"", {5: value, 8: 0x3F}).threads[0]
    expected = [0] * 4
    expected[index] = sum(stored(value >> 16 * i & 0xFFFF) << 16 * i for i in range(4))
    assert thread.x[20:24] == expected
    assert thread.x[7] == expected[index]
    assert thread.formats.read_csr(index) == expected[index] & ~0x3F


def test_flags_are_sticky_and_written_as_six_bits() -> None:
    nan, one = 0x7F80_0001, 0x3F80_0000

    def lanes(thread: Thread) -> None:
        thread.v[1] = np.full(4, nan, "<u4").tobytes()
        thread.v[2] = np.full(4, one, "<u4").tobytes()

    read = encode("csrrs", 10, Csr.MFLAGS, 0)
    words = [
        encode("vadd.f32", 3, 1, 2), encode("vadd.f32", 3, 2, 2), read, encode("csrrw", 11, Csr.MFLAGS, 5),
        encode("csrrw", 12, Csr.MFLAGS, 0), encode("csrrs", 13, Csr.MFLAGS, 0),
    ]  # fmt: skip
    thread = make(TINY, words, b"", {5: MINUS_1}, before=lanes).threads[0]
    assert thread.x[10:14] == [Flag.INVALID, Flag.INVALID, 0x3F, 0]


def test_writing_the_seed_starts_the_generators_anew_even_with_the_same_value() -> None:
    third = np.full(16, 1 / 3, "<f4").tobytes()

    def lanes(thread: Thread) -> None:
        thread.v[1] = third

    draw = "vcvt.bf16.f32.s"
    words = [
        encode("csrrs", 10, Csr.MSEED, 0), encode(draw, 2, 1, 1), encode(draw, 3, 1, 1),
        encode("csrrw", 0, Csr.MSEED, 0), encode(draw, 4, 1, 1),
        encode("csrrw", 0, Csr.MSEED, 5), encode("csrrs", 11, Csr.MSEED, 0), encode(draw, 6, 1, 1), encode(draw, 7, 1, 1),
        encode("csrrw", 0, Csr.MSEED, 11), encode(draw, 8, 1, 1), encode(draw, 9, 1, 1),
    ]  # fmt: skip
    thread = make(preset("d1"), words, b"", {5: 0xABCD_9E21_4C57}, before=lanes).threads[0]
    assert (thread.x[10], thread.x[11]) == (0, 0x9E21_4C57)
    v = thread.v
    assert v[2] == v[4], "reset acts as if 0 had been written"
    assert (v[6], v[7]) == (v[8], v[9])
    assert len({v[2], v[3], v[6], v[7]}) == 4


def test_a_start_keeps_formats_flags_and_generators() -> None:
    words = [encode("setfmt", 3, 5), encode("csrrw", 0, Csr.MFLAGS, 5), encode("csrrw", 0, Csr.MSEED, 5)]
    node = make(TINY, words, b"", {5: 0x55})
    node.threads[0].random.step()
    expected = make(TINY, words, b"", {5: 0x55}).threads[0].random.draw(2)[1]
    node.threads[0].start(SRAM_BASE + 4 * len(words))
    node.run()
    thread = node.threads[0]
    assert thread.formats.read_csr(0) == 0x55 << 48
    assert (thread.mflags, thread.random.seed) == (0x15, 0x55)
    np.testing.assert_array_equal(thread.random.step(), expected)


def test_threads_have_formats_flags_and_seeds_of_their_own() -> None:
    words = [encode("setfmt", 3, 5), encode("csrrw", 0, Csr.MFLAGS, 5), encode("csrrw", 0, Csr.MSEED, 5), HALT]
    node = prepare(TINY, words, b"", {5: 0x55})
    node.run()
    other = node.threads[1]
    assert (other.formats.read_csr(0), other.mflags, other.random.seed) == (0, 0, 0)
