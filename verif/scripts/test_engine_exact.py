# SPDX-License-Identifier: Apache-2.0
"""The engine's array equals the same array elaborated flat, in every boundary register of every node in every cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from golden.config import preset
from golden.layout import ThreadRegister, thread_offset
from golden.matrix import matmul
from scripts.simulator import SimulatedArray, SimulatorLibrary
from sw.kernels.matmul import run_matmul
from verif.scripts.flat import compile_flat, run_flat
from verif.scripts.standin import StandInNode, job

CONFIG = preset("tiny")


def assert_equal_in_every_cycle(records: np.ndarray[Any, Any], flat: np.ndarray[Any, Any]) -> None:
    """Fails with the first cycle, node and register that differ."""
    seen = records["nodes"]
    if seen.tobytes() == flat.tobytes():
        return
    for cycle in range(len(records)):
        for y, x in np.ndindex(seen.shape[1:]):
            for name in seen.dtype.names:
                engine, expected = seen[cycle, y, x][name], flat[cycle, y, x][name]
                assert engine.tobytes() == expected.tobytes(), f"cycle {cycle + 1}, node x={x}, y={y}, {name}"
    pytest.fail("the records differ in padding")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_engine_equals_the_flat_array_of_stand_ins(standin: SimulatorLibrary, threads: int) -> None:
    with SimulatedArray(CONFIG, 2, 2, library=standin, threads=threads) as array:
        array.record_boundary()
        start = thread_offset(0, ThreadRegister.PC)
        for x, y, target in ((0, 0, (1, 1)), (1, 1, (0, 0)), (0, 1, (1, 0))):
            array.write_register(x, y, start, job(500 + 100 * x, send_to=target))
        array.read(1, 0, 0, 512)
        assert array.run().reason == "ended"
        records = array.boundary_records()
    assert len(records) > 500
    flat = run_flat(compile_flat(CONFIG, 2, 2, "macro", StandInNode), records)
    assert_equal_in_every_cycle(records, flat)


@pytest.mark.rtl
def test_the_engine_equals_the_flat_array_in_a_matrix_product(tiny_macro: SimulatorLibrary) -> None:
    rng = np.random.default_rng(5)
    a = rng.integers(0x3F00, 0x4100, (16, 16), np.uint16)
    b = rng.integers(0xBF00, 0xC100, (16, 16), np.uint16)
    with SimulatedArray(CONFIG, 2, 2, library=tiny_macro) as array:
        array.record_boundary()
        result = run_matmul(array, a, b)
        records = array.boundary_records()
        assert array.node_cycles < 4 * len(records), "no node was ever idle"
    assert np.array_equal(result.c, matmul(a, b))
    flat = run_flat(compile_flat(CONFIG, 2, 2, "macro"), records)
    assert_equal_in_every_cycle(records, flat)
