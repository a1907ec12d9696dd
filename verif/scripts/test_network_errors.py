# SPDX-License-Identifier: Apache-2.0
"""Of stores that fail, each is counted by the program's handler or by the thread, however close they are, on both backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from golden.config import PRESETS, NodeConfig
from golden.layout import ThreadRegister, ThreadState, thread_offset
from golden.mesh import GoldenArray
from scripts.simulator import SimulatedArray, build
from sw.assembler import assemble
from sw.host import run_program

#: Stores to nodes that are not there; the handler counts, and returns after a while.
SOURCE = """
_start:  la t0, handler
         csrw mtvec, t0
         li s0, 0
         li t1, 9 << 21
         li s1, STORES
store:   nsd zero, (t1)
         li t2, BETWEEN
1:       beqz t2, 2f
         addi t2, t2, -1
         j 1b
2:       addi s1, s1, -1
         bnez s1, store
         li t3, 400               # until the last answer is here
3:       addi t3, t3, -1
         bnez t3, 3b
         halt s0
         .balign 4
handler: addi s0, s0, 1
         li t4, HANDLING
4:       beqz t4, 5f
         addi t4, t4, -1
         j 4b
5:       mret
"""

#: So many stores follow each other closely.
AT_ONCE = 4

#: How often there are such stores, and how often the loops behind each and in the handler go round.
CASES = [(1, 0, 0), (2, 0, 0), (3, 0, 50), (20, 0, 0), (20, 0, 9), (20, 40, 0), (9, 3, 3), (99, 1, 30)]

#: The handler does not return: it goes on with the program.
STORM = """
_start:  la t0, handler
         csrw mtvec, t0
         li t1, 9 << 21
         li s1, 300
store:   nsd zero, (t1)
         addi s1, s1, -1
         bnez s1, store
         halt zero
         .balign 4
handler: j store
"""

Array = GoldenArray | SimulatedArray


@contextmanager
def opened(config: NodeConfig, backend: str) -> Iterator[Array]:
    if backend == "golden":
        yield GoldenArray(config, 1, 1)
    else:
        with SimulatedArray(config, 1, 1, library=build(config, "macro")) as array:
            yield array


@pytest.mark.parametrize("config", ["tiny", "nano"])
@pytest.mark.parametrize("backend", ["golden", pytest.param("rtl", marks=pytest.mark.rtl)])
def test_each_failing_store_is_a_trap_or_counts_as_unhandled(backend: str, config: str) -> None:
    node = PRESETS[config]
    with opened(node, backend) as array:
        some_unhandled = False
        for stores, between, handling in CASES:
            source = SOURCE.replace("STORES", str(stores)).replace("BETWEEN", str(between)).replace("HANDLING", str(handling))
            source = source.replace("nsd zero, (t1)", "nsd zero, (t1)\n" * AT_ONCE)
            report = run_program(array, assemble(source, config=node), 200_000)
            assert (report.reason, report.nodes[0].trap) == ("ended", None), report.summary()
            (count,) = [errors.count for errors in report.nodes[0].unhandled_errors] or [0]
            handled = report.nodes[0].exit_code
            assert handled
            assert handled + count == stores * AT_ONCE, (stores, between, handling)
            assert ("of thread 0 went unhandled" in report.summary()) == (count > 0)
            some_unhandled |= count > 0
        # The model answers at once, so that a handler is always ready for the next one.
        assert some_unhandled == (backend == "rtl")


@pytest.mark.parametrize("config", ["tiny", "nano"])
@pytest.mark.parametrize("backend", ["golden", pytest.param("rtl", marks=pytest.mark.rtl)])
def test_more_errors_than_the_count_holds_saturate_it_until_the_thread_starts_again(backend: str, config: str) -> None:
    node = PRESETS[config]
    with opened(node, backend) as array:
        report = run_program(array, assemble(STORM, config=node), 200_000)
        assert (report.passed, report.nodes[0].exit_code, report.nodes[0].unhandled_errors[0].count) == (False, 0, 255)
        assert "at least 255 network errors of thread 0 went unhandled" in report.summary()
        assert array.read_register(0, 0, thread_offset(0, ThreadRegister.STATE)) == ThreadState.HALTED
        assert run_program(array, assemble("halt zero\n", config=node), 100).passed
