# SPDX-License-Identifier: Apache-2.0
"""Integer lanes against Python's integers: all pairs of 8-bit lanes, corners and random pairs of wider ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import integer
from verif.golden import simd_oracle

BINARY = {
    "vadd": integer.add,
    "vsub": integer.sub,
    "vmul": integer.mul,
    "vmulh": integer.mul_high,
    "vmulhu": integer.mul_high_unsigned,
    "vsll": integer.shift_left,
    "vsrl": integer.shift_right,
    "vsra": integer.shift_right_signed,
    "vmin": integer.minimum,
    "vmax": integer.maximum,
    "vminu": integer.minimum_unsigned,
    "vmaxu": integer.maximum_unsigned,
    "veq": integer.equal,
    "vlt": integer.less,
    "vltu": integer.less_unsigned,
}


def corners(bits: int) -> list[int]:
    """Powers of two, their neighbours and opposites, and the ends of both ranges."""
    near = {(1 << shift) + step for shift in range(bits + 1) for step in (-1, 0, 1)}
    return sorted({number % (1 << bits) for value in near for number in (value, -value)})


def pairs(bits: int) -> tuple[integer.Lanes, integer.Lanes]:
    """All pairs of 8-bit lanes; of wider ones all pairs of corners, and random ones."""
    kind = integer.LANE_TYPES[bits]
    values = np.arange(256, dtype=kind) if bits == 8 else np.array(corners(bits), kind)
    a, b = (array.ravel() for array in np.meshgrid(values, values))
    random = np.random.default_rng(bits).integers(0, 1 << bits, (2, 5000)).astype(kind)
    return np.concatenate([a, random[0]]), np.concatenate([b, random[1]])


@pytest.mark.parametrize("bits", integer.LANE_TYPES)
@pytest.mark.parametrize("name", BINARY)
def test_operation_is_that_of_pythons_integers(name: str, bits: int) -> None:
    a, b = pairs(bits)
    expected = [simd_oracle.integer(name, x, y, bits) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    seen = BINARY[name](a, b)
    assert seen.dtype == (np.bool_ if name in ("veq", "vlt", "vltu") else a.dtype)
    assert seen.astype(np.int64).tolist() == expected


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_lane_extends_to_its_value(bits: int, signed: bool) -> None:
    lanes = np.arange(1 << bits, dtype=integer.LANE_TYPES[bits])
    seen = integer.extend(lanes, signed=signed)
    assert seen.dtype == integer.LANE_TYPES[2 * bits]
    expected = [(simd_oracle.signed(lane, bits) if signed else lane) % (1 << 2 * bits) for lane in range(1 << bits)]
    assert seen.tolist() == expected


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [16, 32])
def test_lanes_saturate_to_the_nearest_of_half_the_bits(bits: int, signed: bool) -> None:
    half = bits // 2
    lanes = np.arange(1 << 16, dtype=np.uint16) if bits == 16 else np.array(corners(32), np.uint32)
    low, high = (-(1 << half - 1), (1 << half - 1) - 1) if signed else (0, (1 << half) - 1)
    expected = [min(max(simd_oracle.signed(lane, bits), low), high) % (1 << half) for lane in lanes.tolist()]
    seen = integer.saturate(lanes, signed=signed)
    assert seen.dtype == integer.LANE_TYPES[half]
    assert seen.tolist() == expected


@given(st.sampled_from([8, 16, 32]), st.data())
def test_reductions_are_those_of_all_lanes_together(bits: int, data: st.DataObject) -> None:
    lanes = data.draw(st.lists(st.integers(0, (1 << bits) - 1), min_size=1, max_size=64))
    array = np.array(lanes, integer.LANE_TYPES[bits])
    numbers = [simd_oracle.signed(lane, bits) for lane in lanes]
    expected = {"sum": sum(lanes), "min": min(numbers), "max": max(numbers), "minu": min(lanes), "maxu": max(lanes)}
    for operation in ("sum", "min", "max", "minu", "maxu"):
        seen = integer.reduce(array, operation)
        assert seen.dtype == array.dtype
        assert seen.tolist() == [expected[operation] % (1 << bits)]
