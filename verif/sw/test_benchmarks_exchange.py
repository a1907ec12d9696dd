# SPDX-License-Identifier: Apache-2.0
"""The tile exchange on golden nodes: it checks what it computes and what arrives, and says what it needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from golden.config import PRESETS
from golden.layout import semaphore_offset
from golden.mesh import GoldenArray, RunResult
from sw.benchmarks import exchange
from sw.benchmarks.exchange import ExchangeFailed, run_exchange
from sw.benchmarks.exchange_source import Sender

D1 = PRESETS["d1"]


def test_both_nodes_compute_the_product_and_get_every_line_of_the_other() -> None:
    array = GoldenArray(D1, 1, 2)
    for sender in Sender:
        result = run_exchange(array, sender, length=16, lines=32, passes=3)
        assert (result.steps, result.lines) == (2 * 4 * 16, 0 if sender is Sender.NOBODY else 2 * 32 * 3)
        assert result.step_cycles > 0
        assert bool(result.send_cycles) == (sender is not Sender.NOBODY)
        semaphores = [array.read_register(x, 0, semaphore_offset(s)) for x in range(2) for s in range(D1.semaphores)]
        assert not any(semaphores)


class Faulty(GoldenArray):
    """A bit of node (1, 0)'s window, at the offset of ``fault``, turns over before the run."""

    fault = 0

    def run(self, max_cycles: int | None = None, until: str = "ended") -> RunResult:
        byte = self.peek(1, 0, self.fault, 1)[0]
        self.poke(1, 0, self.fault, bytes([byte ^ 1]))
        return super().run(max_cycles, until)


@pytest.mark.parametrize(
    "block, message",
    [
        (exchange.BLOCK_A, "the product of the node in column 1 differs"),
        (exchange.BLOCK_B, "the product of the node in column 1 differs"),
        (exchange.BLOCK_OUT, "what arrived at the node in column 0 differs"),
    ],
)
@pytest.mark.parametrize("sender", [Sender.THREADS, Sender.PUSH, Sender.PULL])
def test_a_wrong_bit_of_operands_or_lines_is_found(block: int, message: str, sender: Sender) -> None:
    array = Faulty(D1, 1, 2)
    array.fault = block * D1.block_bytes + 1
    with pytest.raises(ExchangeFailed, match=message):
        run_exchange(array, sender, length=8, lines=16, passes=1)


def test_a_program_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = exchange.exchange_source
    broken: Callable[..., str] = lambda *arguments: genuine(*arguments).replace("csrr t0, mnode", "ebreak", 1)  # noqa: E731
    monkeypatch.setattr(exchange, "exchange_source", broken)
    with pytest.raises(ExchangeFailed, match="BREAKPOINT"):
        run_exchange(GoldenArray(D1, 1, 2), Sender.THREADS, length=8, lines=16, passes=1)


@pytest.mark.parametrize("field, value", [("threads", 2), ("accumulators", 2), ("sram_blocks", 4)])
def test_a_node_that_is_too_small_is_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} = {value} of 'd1' is less than the"):
        run_exchange(GoldenArray(D1.replace(**{field: value}), 1, 2), Sender.THREADS)


@pytest.mark.parametrize("sender", [Sender.PUSH, Sender.PULL])
def test_a_node_without_lists_is_refused(sender: Sender) -> None:
    with pytest.raises(ValueError, match="lists = 0 of 'd1': there are none that could send; take 2, 4 or 8"):
        run_exchange(GoldenArray(D1.replace(lists=0), 1, 2), sender)


def test_other_arrays_and_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="an array of 2x2 is not one of 1x2"):
        run_exchange(GoldenArray(D1, 2, 2), Sender.THREADS)
    array = GoldenArray(D1, 1, 2)
    with pytest.raises(ValueError, match="length = 12 is not a multiple of 8 from 8 to 1024"):
        run_exchange(array, Sender.THREADS, length=12)
    with pytest.raises(ValueError, match="lines = 2064 is not a multiple of 16 from 16 to 2048"):
        run_exchange(array, Sender.THREADS, lines=2064)
    with pytest.raises(ValueError, match="passes = 16: 2048 lines can be sent 1 to 15 times"):
        run_exchange(array, Sender.THREADS, passes=16)
