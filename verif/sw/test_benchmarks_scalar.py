# SPDX-License-Identifier: Apache-2.0
"""The scalar benchmarks on the golden node: results equal those computed here, in another way, and wrong ones are found."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from golden.config import PRESETS, NodeConfig
from golden.layout import SRAM_BASE
from golden.mesh import GoldenArray
from sw.benchmarks.scalar import SCALAR_BENCHMARKS, ScalarBenchmark, data_places, run_scalar

D1 = PRESETS["d1"]
WORD = 1 << 64

#: Reads so many bytes at an address.
Read = Callable[[int, int], bytes]


def dwords(read: Read, address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}Q", read(address, 8 * count))


def polynomial(values: list[int]) -> int:
    """The sum of value times 31 to the power of the number of values behind it."""
    return sum(value * 31**power for power, value in enumerate(reversed(values))) % WORD


def list_walk(read: Read, data: int) -> int:
    element, rounds = dwords(read, data + 16, 2)
    forwards = []
    # The program has turned the list over, once for each round.
    while element:
        element, value = dwords(read, element, 2)
        forwards.append(value)
    assert len(forwards) > 100
    last, first = forwards[::-1], forwards
    return polynomial([value for count in range(rounds, 0, -1) for value in (first if count % 2 else last)])


def integer_product(read: Read, data: int) -> int:
    a, b, n = dwords(read, data + 16, 3)
    left, right = (np.frombuffer(read(address, 4 * n * n), "<i4").reshape(n, n).astype(object) for address in (a, b))
    product = left @ right
    pairs = product.reshape(n // 2, 2, n // 2, 2).transpose(0, 2, 1, 3)
    return polynomial([int(value) % WORD for value in pairs.ravel()])


def state_machine(read: Read, data: int) -> int:
    (text,) = dwords(read, data + 16, 1)
    characters = read(text, 1 << 13).split(b"\0")[0].decode()
    names, numbers, signs = (re.findall(pattern, characters) for pattern in (r"[A-Za-z]\w*", r"\b\d+", r"[^\w ]"))
    assert min(len(names), len(numbers), len(signs)) > 50
    total = sum(polynomial(list(map(ord, name))) for name in names) + sum(map(int, numbers))
    return polynomial([total, len(names), len(numbers), len(signs), sum(map(ord, signs))])


def crc32(read: Read, data: int) -> int:
    contents, length = dwords(read, data + 16, 2)
    # Bits in the order of transmission, the first 32 inverted, divided by the generator polynomial.
    bits = [byte >> place & 1 for byte in read(contents, length) for place in range(8)] + [0] * 32
    bits[:32] = [1 - bit for bit in bits[:32]]
    generator = [(0x1_04C1_1DB7 >> place) & 1 for place in range(32, -1, -1)]
    for place in range(len(bits) - 32):
        if bits[place]:
            bits[place : place + 33] = [x ^ y for x, y in zip(bits[place : place + 33], generator, strict=True)]
    return sum((1 - bit) << place for place, bit in enumerate(bits[-32:]))


MODELS = {
    "list_walk": list_walk,
    "integer_product": integer_product,
    "state_machine": state_machine,
    "crc32_table": crc32,
    "crc32_bitwise": crc32,
}


def offsets(config: NodeConfig, threads: int) -> list[int]:
    first, stride = data_places(config)
    return [first + thread * stride for thread in range(threads)]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("benchmark_", SCALAR_BENCHMARKS, ids=lambda each: each.name)
def test_results_of_every_thread_equal_those_of_another_model(benchmark_: ScalarBenchmark, preset: str) -> None:
    config = PRESETS[preset]
    for threads in {1, config.threads}:
        array = GoldenArray(config, 1, 1)
        result = run_scalar(array, benchmark_, threads, seed=threads)
        assert result.report.passed, result.report.summary()

        def read(address: int, length: int, array: GoldenArray = array) -> bytes:
            return array.peek(0, 0, address - SRAM_BASE, min(length, config.sram_bytes - (address - SRAM_BASE)))

        expected = [MODELS[benchmark_.name](read, SRAM_BASE + offset) for offset in offsets(config, threads)]
        assert list(result.results) == expected
        assert len(set(expected)) == threads, "threads work on data of their own"


@pytest.mark.parametrize("wrong", range(4))
@pytest.mark.parametrize("benchmark_", SCALAR_BENCHMARKS, ids=lambda each: each.name)
def test_exit_code_is_1_if_the_result_of_any_thread_is_not_the_expected_one(benchmark_: ScalarBenchmark, wrong: int) -> None:
    def spoilt(generator: random.Random, base: int) -> bytes:
        contents = benchmark_.make(generator, base)
        if base - SRAM_BASE != offsets(D1, 4)[wrong]:
            return contents
        (expected,) = struct.unpack_from("<Q", contents)
        return struct.pack("<Q", expected ^ 1 << 17) + contents[8:]

    report = run_scalar(GoldenArray(D1, 1, 1), replace(benchmark_, make=spoilt), 4).report
    assert (report.reason, report.nodes[0].exit_code) == ("ended", 1)


def test_a_run_leaves_no_semaphore_and_can_be_repeated() -> None:
    array = GoldenArray(D1, 1, 1)
    first, second = (run_scalar(array, SCALAR_BENCHMARKS[0], 4) for _ in range(2))
    assert second.report.passed
    assert (first.retired, first.cycles) == (second.retired, second.cycles)


@pytest.mark.parametrize("threads", [0, 3])
def test_a_number_of_threads_that_the_node_does_not_have_is_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads = {threads}: a node of 'tiny' has 1 to 2"):
        run_scalar(GoldenArray(PRESETS["tiny"], 1, 1), SCALAR_BENCHMARKS[0], threads)


def test_data_that_does_not_fit_is_refused() -> None:
    large = replace(SCALAR_BENCHMARKS[0], make=lambda generator, base: bytes(1 << 16))
    with pytest.raises(ValueError, match="data of list_walk takes 65536 bytes of SRAM for each thread; a node of 'tiny' has"):
        run_scalar(GoldenArray(PRESETS["tiny"], 1, 1), large, 1)
