# SPDX-License-Identifier: Apache-2.0
"""What programs and hosts see of a node: ends, traps, errors, waiting, idling. Expected states come from the golden node."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest

from golden.config import NodeConfig, preset
from golden.layout import (
    OVERFLOWED_SEMAPHORE_BIT,
    SRAM_BASE,
    Cause,
    ControlRegister,
    FormatKind,
    GlobalAddress,
    Kind,
    Port,
    ThreadRegister,
    ThreadState,
    control_offset,
    semaphore_offset,
    thread_offset,
)
from golden.program import Program
from golden.simd import transpose_group
from sw.assembler import assemble
from verif.bench import start
from verif.golden.encoding import encode
from verif.rtl.node.comparison import Comparison
from verif.rtl.node.host import NodeHost
from verif.rtl.node.node_bench import WIDE, WIDE_SEQUENTIAL, bench_config, run_node_bench

CONFIG = preset("tiny")

#: Programs for thread 0, each with what it is about. All end by themselves.
PROGRAMS = {
    "halt with a code": "li a0, 42\n halt a0",
    "tohost ends all threads": "la t0, tohost\n li t1, 7\n sd t1, 0(t0)\n 1: j 1b\n .align 3\n tohost: .dword 0",
    "tohost by a word": "la t0, tohost\n li t1, -1\n sw t1, 0(t0)\n 1: j 1b\n .align 3\n tohost: .dword 0",
    "tohost by half a word": "la t0, tohost\n li t1, -1\n sh t1, 0(t0)\n 1: j 1b\n .align 3\n tohost: .dword 0",
    "tohost by a byte": "la t0, tohost\n li t1, -1\n sb t1, 0(t0)\n 1: j 1b\n .align 3\n tohost: .dword 0",
    "tohost with the largest code": "la t0, tohost\n li t1, -1\n srli t1, t1, 16\n sd t1, 0(t0)\n 1: j 1b\n .align 3\n"
    " tohost: .dword 0",
    "tohost with each bit of device and command": "la t0, tohost\n li t1, 1 << 48\n 1: ori t2, t1, 1\n sd t2, 0(t0)\n"
    " slli t1, t1, 1\n bnez t1, 1b\n li a0, 3\n halt a0\n .align 3\n tohost: .dword 0",
    "tohost without bit 0": "la t0, tohost\n li t1, 6\n sd t1, 0(t0)\n li a0, 3\n halt a0\n .align 3\n tohost: .dword 0",
    "illegal": ".word 0xffffffff",
    "illegal zero": ".word 0",
    "unknown csr": "csrr a0, 0x7ff",
    "write to a csr between those of formats and seed": "csrw 0x7c6, a0",
    "write to a read-only csr": "csrw mhartid, a0",
    "read of a read-only csr": "csrr a0, mhartid\n csrr a1, mconfig\n csrr a2, mnode\n halt a0",
    "counter that is not there": "csrr a0, 0xb01",
    "event of a counter that has none": "csrr a0, 0x321",
    "csr of another mode": "csrr a0, 0x306",
    "view of a user": "csrr a0, 0xc00",
    "write to mconfigptr": "csrr a0, mconfigptr\n csrw mconfigptr, a0",
    "performance counters": "li a0, -1\n csrrw a1, mhpmcounter3, a0\n csrrw a2, mhpmevent31, a0\n csrr a3, mhpmcounter3\n"
    " csrrs a4, mhpmevent31, a0\n csrr a5, mhpmcounter31\n halt a3",
    "mcycle inhibited": "csrwi mcountinhibit, 5\n li a0, -2\n csrw mcycle, a0\n csrr a1, mcycle\n csrrs a2, mcycle, a0\n"
    " csrrwi a3, mcountinhibit, 1\n csrrwi a4, mcycle, 9\n csrr a5, mcycle\n csrwi mcountinhibit, 0\n halt a5",
    "minstret inhibited": "csrwi mcountinhibit, 4\n csrr a0, minstret\n nop\n csrr a1, minstret\n csrwi minstret, 9\n"
    " csrr a2, minstret\n csrci mcountinhibit, 4\n csrr a3, minstret\n csrr a4, minstret\n csrsi mcountinhibit, 4\n"
    " csrr a5, minstret\n halt a3",
    "wait for an interrupt": "csrr a0, mie\n csrr a1, mip\n wfi\n csrr a2, mstatus\n halt a2",
    "accumulator that is not there": f".word 0x205b | {CONFIG.accumulators} << 7",
    "semaphore that is not there": ".word 0x0005307b | 31 << 7",
    "post to a semaphore that is not there": "csrr a0, mnode\n .word 0x0200007b | 31 << 7 | 10 << 15",
    "pointers of equal parity": "la a0, _start\n .word 0x0c00105b | 10 << 15 | 12 << 20",
    "ecall": "ecall",
    "ebreak": "nop\n ebreak",
    "load misaligned": "la a0, _start\n lw a1, 2(a0)",
    "load misaligned and outside": "ld a1, 1(zero)",
    "load fault": "ld a1, 0(zero)",
    "load fault behind the end": "li a0, SRAM_BASE + SRAM_BYTES\n lb a1, 0(a0)",
    "last byte": "li a0, SRAM_BASE + SRAM_BYTES\n lb a1, -1(a0)\n halt zero",
    "store misaligned": "la a0, _start\n sd a1, 4(a0)",
    "store misaligned and outside": "sd a1, 1(zero)",
    "store fault": "sb a1, -1(zero)",
    "vector misaligned": "la a0, _start\n vld v1, 8(a0)",
    "vector fault": "li a0, SRAM_BASE + SRAM_BYTES\n vst v1, 0(a0)",
    "step misaligned in A": "li a0, SRAM_BASE + 8\n li a1, 4\n mstep.bf16.mm m0, (a0), (a1)",
    "step fault in A": "li a0, 0\n li a1, SRAM_BASE\n mstep.bf16.mm m0, (a0), (a1)",
    "step misaligned in B": "li a0, SRAM_BASE\n li a1, SRAM_BASE + 1\n mstep.bf16.pp m0, (a0)+, (a1)+",
    "step fault in B": "li a0, SRAM_BASE\n li a1, 0\n mstep.bf16.mm m0, (a0), (a1)",
    "accumulator load fault": "li a0, SRAM_BASE + SRAM_BYTES\n mld.f32 m0, (a0)",
    "accumulator store fault": "li a0, SRAM_BASE - LINE_BYTES\n mst.f32 m0, (a0)",
    "accumulator store misaligned": "li a0, SRAM_BASE + 4\n mst.bf16 m0, (a0)",
    "steps of two, operands of equal parity": f".word {encode('mstep.x.pp', 0, 10, 12, 0):#x}",
    "steps of two, one step misaligned in A": "li a0, SRAM_BASE + 8\n li a1, 0\n mstep.x.mm m0, (a0), (a1), f0",
    "steps of two, fault in A, misaligned in B": "li a0, 0\n li a1, SRAM_BASE + 4\n mstep.x.pm m0, (a0)+, (a1), f0",
    "steps of two, misaligned in B": "li a0, SRAM_BASE\n li a1, SRAM_BASE + 4\n mstep.x.pm m0, (a0)+, (a1), f0",
    "steps of two, lines of 8 bits at the end": "li a0, SRAM_BASE + SRAM_BYTES - LINE_BYTES\n li a1, SRAM_BASE\n li a2, 0x47\n"
    " setfmt f2, a2\n setfmt f3, a2\n mstep.x.pp m0, (a0)+, (a1)+, f2\n halt a0",
    "steps of two, two lines at the end": "li a0, SRAM_BASE + SRAM_BYTES - 2 * LINE_BYTES\n mv a1, a0\n"
    " mstep.x.pp m0, (a0)+, (a1)+, f2\n halt a0",
    "steps of two, second line of A outside": "li a0, SRAM_BASE + SRAM_BYTES - LINE_BYTES\n li a1, SRAM_BASE\n"
    " mstep.x.pp m0, (a0)+, (a1)+, f2",
    "steps of two, second line of B outside": "li a0, SRAM_BASE + SRAM_BYTES - LINE_BYTES\n li a1, SRAM_BASE\n li a2, 0x47\n"
    " setfmt f3, a2\n mstep.x.mm m0, (a0), (a1), f3\n mstep.x.mp m0, (a0), (a1)+, f3\n mstep.x.pp m0, (a1)+, (a0)+, f3",
    "steps of two, A before the start": "li a0, SRAM_BASE - LINE_BYTES\n li a1, SRAM_BASE\n mstepz.x.mm m0, (a0), (a1), f0",
    "jump to a misaligned address": "la a0, _start\n jalr ra, 2(a0)",
    "jump out of SRAM": "li a0, 0x1000\n jr a0",
    "running off the end": "li a0, SRAM_BASE + SRAM_BYTES - 4\n li a1, 0x13\n sw a1, 0(a0)\n fence.i\n jr a0",
    "handler": "la t0, handler\n csrw mtvec, t0\n ecall\n halt a0\n handler: csrr a0, mcause\n csrr a1, mepc\n"
    " addi a1, a1, 4\n csrw mepc, a1\n mret",
    "remote write nowhere": "csrr a0, mnode\n li a1, 1 << 21\n add a0, a0, a1\n nwrite v0, (a0)\n 1: j 1b",
    "remote write nowhere, after the end": "csrr a0, mnode\n li a1, 1 << 21\n add a0, a0, a1\n nwrite v0, (a0)\n halt zero",
    "post alone": "csrr a0, mnode\n npost (a0), 1\n npost (a0), 1\n li a1, 2\n swait 1, a1\n vld v1, 0(zero)",
    "post alone of a semaphore that is not there": f"csrr a0, mnode\n .word {encode('npost', 10, 31):#x}\n halt zero",
    "post alone misaligned": "csrr a0, mnode\n addi a0, a0, 8\n npost (a0), 1",
    "post alone nowhere": "csrr a0, mnode\n li a1, 1 << 21\n add a0, a0, a1\n npost (a0), 1\n 1: j 1b",
    "post alone while its line is read": "csrr a0, mnode\n nread v0, (a0)\n npost (a0), 1\n li a1, 1\n swait 1, a1\n"
    " la a2, _start\n li a3, -LINE_BYTES\n and a2, a2, a3\n vst v0, 256(a2)\n halt zero",
    "remote read of nothing": "csrr a0, mnode\n li a1, SRAM_BYTES\n add a0, a0, a1\n nread v1, (a0)\n vst v1, 0(a0)\n 1: j 1b",
    "remote address misaligned": "csrr a0, mnode\n addi a0, a0, 4\n nsd a1, (a0)",
    "remote read of a rectangle": "li a0, 1 << 50\n nread v1, (a0)",
    "remote write of a rectangle beyond the edge": "csrr a0, mnode\n li a1, 1 << 50 | 0x400\n add a0, a0, a1\n nwrite v0, (a0)\n"
    " 1: j 1b",
    "remote write of a rectangle beyond the edge, nothing there": "csrr a0, mnode\n li a1, 1 << 57 | SRAM_BYTES\n"
    " add a0, a0, a1\n nsd a0, (a0)\n 1: j 1b",
    "remote exit that is no port": "li a0, 5 << 47\n nwrite v1, (a0)",
    "overflowing semaphore": "li a0, 0xffff\n spost 1, a0\n spost 1, a0\n swait 1, a0\n halt zero",
    "fence and fence.i with reserved bits set": "li a0, 1\n .word 0x8330000f | 5 << 15 | 10 << 7\n"
    " .word 0xabc0100f | 5 << 15 | 10 << 7\n halt a0",
    "self-modifying code": "la t0, patch\n li t1, 0x02a00513\n sw t1, 0(t0)\n fence.i\n patch: li a0, 1\n halt a0",
}  # fmt: skip


def programs_of(config: NodeConfig) -> dict[str, str]:
    """All programs, those that depend on sizes included."""
    found = dict(PROGRAMS)
    for bits in (8, 16, 32):
        group = transpose_group(config, bits)
        found[f"transpose of {bits} bits, last part"] = f"vtrn.e{bits} v1, v{group % 32}, {group - 1}\n halt zero"
        if group < 16:
            found[f"transpose of {bits} bits, part that is not there"] = f".word {encode(f'vtrn.e{bits}', 1, 0, group):#x}"
        if group > 1:
            found[f"transpose of {bits} bits, group unaligned"] = f".word {encode(f'vtrn.e{bits}', 1, group // 2, 0):#x}"
    for kind in FormatKind:
        size = {FormatKind.FP32: 4, FormatKind.CFP8_143: 1, FormatKind.CFP8_152: 1}.get(kind, 2)
        tile = config.matrix_m * config.matrix_n * size
        aligned = min(tile, config.line_bytes)
        setting = f"li a2, {kind << 6 | 9}\n setfmt f2, a2\n"
        for about, address in (
            ("at the end", -tile), ("beyond the end", aligned - tile), ("misaligned", aligned // 2 - tile), ("behind the end", 0)
        ):  # fmt: skip
            store = f"li a0, SRAM_BASE + SRAM_BYTES + {address}\n {setting} mst.x.sp m0, (a0)+, f2\n halt a0"
            found[f"accumulator store as {kind.name}, {about}"] = f"mzero m0\n {store}"
        for side in (2, 3):
            memory = f"{setting} li a0, SRAM_BASE\n mstep.x.mm m0, (a0), (a0), f{side}"
            found[f"steps of two, {kind.name} on side {side}"] = f"{memory}\n li a0, 1\n mstep.x.mm m0, (a0), (a0), f{side}"
            found[f"step of registers, {kind.name} on side {side}"] = f"{setting} mstep.xh m0, v1, v1, f{side}\n halt zero"
    for granule in (8, 16):
        count = config.line_bytes // granule

        def gather(about: str, start: str, stride: int, *, bound: int | None = None, granule: int = granule) -> None:
            name, operand = ("vlds", stride) if bound is None else ("vldsz", bound << 32 | stride % 2**32)
            source = f"li a0, {start}\n li a1, {operand % 2**64}\n {name}.{granule} v1, (a0), a1\n halt zero"
            found[f"gather of {granule} bytes, {about}"] = source

        for bad in range(count + 1):
            gather(f"granule {bad} behind the end", f"SRAM_BASE + SRAM_BYTES - {granule * bad}", granule)
            gather(f"granule {bad} behind the end, not read", f"SRAM_BASE + SRAM_BYTES - {granule * bad}", granule, bound=bad)
            gather(f"granule {bad} before the start", f"SRAM_BASE + {granule * (bad - 1)}", -granule)
        for bound in (-1, 0, 1, count, count + 1, 2**31 - 1, -(2**31)):
            gather(f"misaligned, bound {bound}", "3", 4, bound=bound)
        gather("second granule misaligned", "SRAM_BASE", granule // 2)
        for offset in (0, granule, granule // 2, config.sram_bytes, 0xFFFF_FFF0):
            # Only the last lane that is used has the offset.
            found[f"gather of {granule} bytes by lanes, the last {offset:#x}"] = (
                f"li a0, SRAM_BASE\n li a1, {offset:#x}\n li a2, {0xF << 4 * (count - 1):#x}\n pmv.p.x p1, a2\n"
                f" vbc.e32 v2, zero\n vbc.e32 v2, a1, p1\n vldx.{granule} v1, (a0), v2\n halt zero"
            )
    return found


@pytest.mark.parametrize(
    "config, arithmetic",
    [(preset("nano"), "rtl"), (CONFIG, "rtl"), (WIDE, "macro"), (WIDE_SEQUENTIAL, "macro")],
    ids=lambda p: getattr(p, "name", p),
)
def test_every_program_ends_as_on_the_golden_node(config: NodeConfig, arithmetic: str) -> None:
    run_node_bench(config, __name__, tests=["programs"], arithmetic=arithmetic)


@pytest.mark.parametrize("test", ["hosts", "idling", "waiting", "responses", "stopping"])
@pytest.mark.parametrize("config", [preset("nano"), CONFIG], ids=lambda p: p.name)
def test_node(config: NodeConfig, test: str) -> None:
    run_node_bench(config, __name__, tests=[test])


@pytest.mark.parametrize("test", ["exiting", "sharing", "overflowing"])
def test_threads(test: str) -> None:
    run_node_bench(CONFIG, __name__, tests=[test])


async def reset(dut: Any) -> NodeHost:
    """A host of a node that was just reset."""
    dut.rst.value = 1
    host = NodeHost(dut, bench_config())
    await host.step()
    await host.step()
    dut.rst.value = 0
    return host


def load(host: NodeHost, program: Program) -> None:
    """Queue the packets that load a program."""
    for address, contents in program.segments:
        host.write(address - SRAM_BASE, contents)
    host.set_tohost(program.tohost or 0)


@cocotb.test()
async def programs(dut: Any) -> None:
    """Every program ends in the state in which the golden node ends, and does the same until then."""
    config = bench_config()
    await start(dut)
    for about, source in programs_of(config).items():
        program = assemble(f"_start: {source}\n", config=config)
        both = Comparison(dut, config)
        await both.reset()
        for address, contents in program.segments:
            # Reset leaves what the program before has left.
            both.write(address - SRAM_BASE, contents.ljust(0x100, b"\0"))
        both.set_tohost(program.tohost or 0)
        both.start_thread(0, program.entry)
        try:
            await both.run(limit=2000)
            # How far a thread comes until an error is back is timing, which the golden node does not have.
            asynchronous = both.golden.threads[0].mcause == Cause.NETWORK_ERROR
            if not asynchronous:
                both.compare_execution([0])
            await both.compare_registers(except_of=[ThreadRegister.PC, ThreadRegister.RETIRED] if asynchronous else [])
            assert await both.host.read_register(semaphore_offset(1)) == both.golden.semaphores[1]
        except AssertionError as error:
            raise AssertionError(f"{about}: {error}") from None


@cocotb.test()
async def hosts(dut: Any) -> None:
    """A host reads and writes memory and registers, and learns of what cannot be done."""
    await start(dut)
    host = await reset(dut)
    host.write(3, bytes(range(1, 41)))
    assert await host.read(0, 48) == bytes(3) + bytes(range(1, 41)) + bytes(5)
    assert await host.read_register(control_offset(ControlRegister.CONFIG)) == bench_config().descriptor
    assert await host.read_register(control_offset(ControlRegister.COORDINATES)) == int(GlobalAddress(0, 0))

    # A register is written only if all of its bytes are.
    host.write(semaphore_offset(2), (3).to_bytes(4, "little"))
    host.write_register(semaphore_offset(3), 5)
    assert [await host.read_register(semaphore_offset(s)) for s in (2, 3)] == [0, 5]

    for fields, sem in (({"offset": bench_config().sram_bytes}, 2), ({"x": 1, "offset": 16}, 1), ({"exit": Port.EAST}, 1)):
        for kind in (Kind.READ, Kind.WRITE):
            host.received.clear()
            host.send(kind=kind, tag=9, mask=1, **fields)
            await host.until(lambda: bool(host.received), "an error response")
            answer = host.received.popleft()
            assert (answer["kind"], answer["sem"], answer["tag"]) == (Kind.ERROR, sem, 9)
            failed = {"x": answer["src_x"], "exit": answer["src_exit"], "offset": answer["offset"]}
            assert failed == {"x": 0, "exit": 0, "offset": 0} | fields

    # A thread is stopped and started again; a misaligned start traps.
    spin = assemble("_start: j _start", config=bench_config())
    load(host, spin)
    thread = bench_config().threads - 1
    host.start_thread(thread, spin.entry)
    await host.until(lambda: int(dut.running.value) == 1 << thread, "a running thread")
    host.write_register(thread_offset(thread, ThreadRegister.STATE), 0)
    await host.finish()
    assert await host.read_register(thread_offset(thread, ThreadRegister.STATE)) == ThreadState.HALTED
    host.start_thread(thread, spin.entry + 2)
    await host.finish()
    assert await host.read_register(thread_offset(thread, ThreadRegister.STATE)) == ThreadState.TRAPPED
    assert await host.read_register(thread_offset(thread, ThreadRegister.CAUSE)) == Cause.INSTRUCTION_MISALIGNED
    first, last = [await host.read_register(control_offset(r)) for r in (ControlRegister.FIRST_START, ControlRegister.LAST_STOP)]
    if bench_config().core == "pipelined":
        assert first == last
    else:
        assert first < last < first + 50

    # Responses that nobody waits for write nothing.
    for tag in (1, 0x80 | 1):
        host.respond(kind=Kind.READ_DATA, tag=tag, data=7)
    await host.finish()
    assert not host.vector_writes


@cocotb.test()
async def waiting(dut: Any) -> None:
    """A thread that waits for a semaphore leaves the node idle, and goes on when a packet posts enough."""
    await start(dut)
    host = await reset(dut)
    program = assemble("_start: li a0, 3\n swait 2, a0\n li a0, 11\n halt a0", config=bench_config())
    load(host, program)
    host.start_thread(0, program.entry)
    await host.until(lambda: int(dut.waiting.value) == 1 and bool(int(dut.idle.value)), "an idle node that waits")
    host.write_register(semaphore_offset(2), 2)
    await host.until(lambda: not int(dut.idle.value), "waking up")
    await host.until(lambda: bool(int(dut.idle.value)), "idling again")
    assert int(dut.waiting.value) == 1
    assert await host.read_register(thread_offset(0, ThreadRegister.WAIT)) == 3 << 16 | 2
    # The line comes with a post.
    host.send(kind=Kind.WRITE, offset=0x400, mask=0xFFFF, data=5, post=1, sem=2)
    await host.finish()
    assert await host.read_register(thread_offset(0, ThreadRegister.EXIT_CODE)) == 11
    assert await host.read_register(semaphore_offset(2)) == 0


@cocotb.test()
async def idling(dut: Any) -> None:
    """While a node is idle and hears nothing, no output changes but for nothing; the cycle count may."""
    await start(dut)
    host = await reset(dut)
    program = assemble("_start: li a0, 1\n spost 1, a0\n vld v1, 0(a1)\n halt a0", config=bench_config())
    load(host, program)
    host.start_thread(0, program.entry)
    await host.finish()
    outputs = [getattr(dut, name) for name in ("idle", "progress", "running", "waiting", "trapped", "stopped", "exited")]
    outputs += [
        getattr(dut, f"{side}_{name}")
        for side in ("north", "east", "south", "west")
        for name in ("out_valid", "out_flit", "in_credit")
    ]
    outputs += [dut.vector0_valid, dut.vector0_data, dut.retire0_valid, dut.retire0_rd_data]  # fmt: skip
    before = [str(output.value) for output in outputs]
    assert before[0] == "1"
    for _ in range(50):
        host.cycle += 1000
        await host.step()
        assert [str(output.value) for output in outputs] == before


@cocotb.test()
async def responses(dut: Any) -> None:
    """An instruction that needs a line read from far away waits for it, and nothing else does."""
    await start(dut)
    host = await reset(dut)
    program = assemble(
        f"""
        _start: li a0, {int(GlobalAddress(0, 0, 0x40, Port.WEST))}
                la a1, data
                nread v1, (a0)
                li a2, 77
                sd a2, 0(a1)
                vst v1, LINE_BYTES(a1)
                halt zero
                .balign LINE_BYTES
        data:   .zero 2 * LINE_BYTES
        """,
        config=bench_config(),
    )
    load(host, program)
    host.start_thread(0, program.entry)
    data = program.symbols["data"] - SRAM_BASE
    await host.until(lambda: bool(host.received), "the request at the host")
    request = host.received.popleft()
    assert (request["kind"], request["offset"], request["exit"]) == (Kind.READ, 0x40, Port.WEST)
    for _ in range(100):
        await host.step()
    assert int(dut.running.value) == 1
    assert await host.read(data, 8) == (77).to_bytes(8, "little")
    line = bytes(range(0x30, 0x40))
    host.respond(kind=Kind.READ_DATA, tag=request["tag"], data=int.from_bytes(line, "little"))
    await host.finish()
    assert await host.read(data + bench_config().line_bytes, bench_config().line_bytes) == line


@cocotb.test()
async def stopping(dut: Any) -> None:
    """A stop ends a thread in whatever cycle it comes, also in one in which the thread takes a trap."""
    await start(dut)
    host = await reset(dut)
    program = assemble("_start: la t0, handler\n csrw mtvec, t0\n handler: ecall\n ecall", config=bench_config())
    load(host, program)
    for delay in range(8):
        host.start_thread(0, program.entry)
        await host.until(lambda: bool(int(dut.running.value)), "a running thread")
        for _ in range(40 + delay):
            await host.step()
        host.write_register(thread_offset(0, ThreadRegister.STATE), 0)
        await host.finish(200)
        assert await host.read_register(thread_offset(0, ThreadRegister.STATE)) == ThreadState.HALTED


@cocotb.test()
async def exiting(dut: Any) -> None:
    """A thread that traps in the cycle in which another one ends the program either has trapped or has been halted before."""
    await start(dut)
    ends = set()
    for delay in range(24):
        host = await reset(dut)
        program = assemble(
            "_start: la t0, tohost\n li t1, 1\n" + "nop\n" * 12 + "sd t1, 0(t0)\n 1: j 1b\n .balign LINE_BYTES\n"
            "second:" + "nop\n" * delay + "mstep.bf16.mm m0, (zero), (zero)\n .align 3\n tohost: .dword 0",
            config=bench_config(),
        )
        load(host, program)
        host.start_thread(1, program.symbols["second"])
        host.start_thread(0, program.entry)
        await host.finish(2000)
        state, cause = [
            await host.read_register(thread_offset(1, field)) for field in (ThreadRegister.STATE, ThreadRegister.CAUSE)
        ]
        ends.add((state, cause))
    assert ends == {(ThreadState.HALTED, 0), (ThreadState.TRAPPED, Cause.LOAD_ACCESS_FAULT)}


@cocotb.test()
async def sharing(dut: Any) -> None:
    """Matrix steps of one thread go on while another one loads a vector register in every cycle."""
    await start(dut)
    host = await reset(dut)
    loads = "\n".join(f"vld v{i % 16}, 0(a0)" for i in range(200))
    program = assemble(
        f"_start: li a0, SRAM_BASE\n {loads}\n halt zero\n"
        "second: li a0, SRAM_BASE\n li t0, 100\n 1: mstep.bf16.mm m0, (a0), (a0)\n addi t0, t0, -1\n bnez t0, 1b\n halt zero",
        config=bench_config(),
    )
    load(host, program)
    for thread, entry in enumerate((program.entry, program.symbols["second"])):
        host.start_thread(thread, entry)
    await host.until(lambda: bool(host.retired[0]), "the first thread's start")
    while int(dut.running.value) == 0b11:
        before = len(host.retired[1])
        for _ in range(20):
            await host.step()
        assert len(host.retired[1]) > before
    await host.finish()


@cocotb.test()
async def overflowing(dut: Any) -> None:
    """Which of two threads' semaphores overflows first is a matter of time, and all that is allowed to differ."""
    await start(dut)
    both = Comparison(dut, bench_config())
    await both.reset()
    posts = "li a0, 0xffff\n spost {0}, a0\n spost {0}, a0\n swait {0}, a0\n halt zero\n"
    program = assemble(
        "_start: li t0, 1\n" + "div t0, t0, t0\n" * 8 + posts.format(0) + "second:" + "nop\n" * 30 + posts.format(1),
        config=bench_config(),
    )
    for address, contents in program.segments:
        both.write(address - SRAM_BASE, contents)
    for thread, entry in enumerate((program.entry, program.symbols["second"])):
        both.start_thread(thread, entry)
    await both.run()
    both.compare_execution(range(2))
    await both.compare_registers()
    first = [
        status >> OVERFLOWED_SEMAPHORE_BIT
        for status in (
            await both.host.read_register(control_offset(ControlRegister.STATUS)),
            both.golden.read_register(ControlRegister.STATUS),
        )
    ]
    assert first == [1, 0]
