# SPDX-License-Identifier: Apache-2.0
"""The node runs random programs in lock-step with the golden node: retirement, vector writes, memory, final state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cocotb
import pytest
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.instruction import Retirement
from golden.layout import SRAM_BASE, ThreadRegister, thread_offset
from golden.node import GoldenNode
from sw.disassembler import disassemble
from verif.bench import bench_parameters, check_property, start
from verif.rtl.node.host import NodeHost
from verif.rtl.node.node_bench import run_node_bench
from verif.rtl.node.programs import CODE_BYTES, DATA_BYTES, Item, assemble, data_address, programs


@pytest.mark.parametrize("name", ["nano", "tiny"])
def test_node_runs_random_programs_as_the_golden_node_does(name: str) -> None:
    run_node_bench(preset(name), __name__)


@cocotb.test()
async def lockstep(dut: Any) -> None:
    config = preset(bench_parameters()["config"])
    await start(dut)

    async def same_as_golden(threads: list[list[Item]], data: bytes) -> None:
        code = [assemble(config, thread, items) for thread, items in enumerate(threads)]
        await check_program(dut, config, code, data)

    await check_property(
        same_as_golden,
        max_examples=bench_parameters().get("examples", 60),
        threads=st.tuples(*(programs(config, thread) for thread in range(config.threads))).map(list),
        data=st.binary(min_size=64, max_size=64),
    )


async def check_program(dut: Any, config: NodeConfig, code: list[list[int]], data: bytes) -> None:
    """Run one program per thread on both and compare."""
    golden = GoldenNode(config, links=0b1000)
    records: list[list[Retirement]] = [[] for _ in code]
    vector_writes: dict[tuple[int, int], list[bytes]] = {}
    golden.on_retire = lambda record: records[record.thread].append(record)
    golden.on_vector_write = lambda thread, register, value: vector_writes.setdefault((thread, register), []).append(value)

    dut.rst.value = 1
    host = NodeHost(dut, config)
    await host.step()
    await host.step()
    dut.rst.value = 0
    for thread, words in enumerate(code):
        contents = b"".join(word.to_bytes(4, "little") for word in words)
        region = (data * (DATA_BYTES // len(data) + 1))[:DATA_BYTES]
        for offset, part in ((thread * CODE_BYTES, contents), (data_address(thread) - SRAM_BASE, region)):
            host.write(offset, part)
            golden.sram[offset : offset + len(part)] = part
    for thread in range(len(code)):
        host.start_thread(thread, SRAM_BASE + thread * CODE_BYTES)
        golden.threads[thread].start(SRAM_BASE + thread * CODE_BYTES)
    golden.run()
    assert not golden.active, f"the golden node does not end: {[t.state for t in golden.threads]}"
    await host.finish()

    for thread, words in enumerate(code):
        compare_streams(thread, words, records[thread], host.retired[thread])
    for where in sorted(vector_writes.keys() | host.vector_writes.keys()):
        wanted, written = vector_writes.get(where, []), host.vector_writes.get(where, [])
        assert written == wanted, f"thread {where[0]} v{where[1]}: wrote {_hex(written)}, expected {_hex(wanted)}"
    for thread in range(len(code)):
        offset = data_address(thread) - SRAM_BASE
        seen, expected = await host.read(offset, DATA_BYTES), bytes(golden.sram[offset : offset + DATA_BYTES])
        differing = [i for i in range(DATA_BYTES) if seen[i] != expected[i]]
        assert not differing, f"thread {thread}: memory differs at {offset + differing[0]:#x}: {len(differing)} bytes"
        for field in (ThreadRegister.STATE, ThreadRegister.EXIT_CODE, ThreadRegister.RETIRED):
            register = thread_offset(thread, field)
            seen_value = await host.read_register(register)
            expected_value = golden.read_register(register % 0x1000)
            assert seen_value == expected_value, f"thread {thread} {field.name}: {seen_value}, expected {expected_value}"


def compare_streams(thread: int, words: list[int], expected: list[Retirement], seen: list[Retirement]) -> None:
    """Fail at the first difference of two retirement streams, with the program around it."""
    for index in range(max(len(expected), len(seen))):
        want = expected[index] if index < len(expected) else None
        got = seen[index] if index < len(seen) else None
        if want != got:
            pc = (want or got).pc  # type: ignore[union-attr]
            raise AssertionError(
                f"thread {thread} differs at its instruction {index}\n  expected {_show(want)}\n  seen     {_show(got)}\n"
                + "\n".join(_listing(words, SRAM_BASE + thread * CODE_BYTES, pc))
            )


def _show(record: Retirement | None) -> str:
    if record is None:
        return "nothing"
    text = f"{record.pc:#x} {disassemble(record.word, record.pc)}"
    if record.cause is not None:
        text += f" traps with cause {record.cause}, value {record.value:#x}"
    return text + "".join(f" x{register}={value:#x}" for register, value in record.writes)


def _listing(words: list[int], start_address: int, pc: int) -> Iterator[str]:
    for index, word in enumerate(words):
        address = start_address + 4 * index
        yield f"{'>' if address == pc else ' '} {address:#x}: {disassemble(word, address)}"


def _hex(values: list[bytes]) -> str:
    return ", ".join(value[::-1].hex() for value in values) or "nothing"
