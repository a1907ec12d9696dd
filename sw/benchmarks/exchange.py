# SPDX-License-Identifier: Apache-2.0
"""Two neighbouring nodes multiply and exchange tiles at the same time: what communication costs the matrix unit.

On each node threads 0 and 2 make matrix steps with operands from SRAM, as the matrix product's kernel does. Either threads 1 and
3 send lines to the other node, one load and one request each in turn, or a list transfer moves them, which thread 1 starts.
Operands A and B, what is sent, what arrives, and the code lie in a block of SRAM each, so that no two of the requests of a cycle
meet in a bank. What sends begins first and ends last, so that the steps are measured while lines go both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from golden.config import MATRIX_K, NodeConfig
from golden.layout import SRAM_BASE, ControlRegister, GlobalAddress
from golden.matrix import matmul
from sw import lists as transfers
from sw.assembler import assemble
from sw.benchmarks.exchange_source import (
    ARRIVED,
    BATCH,
    BLOCK_A,
    BLOCK_B,
    BLOCK_IN,
    BLOCK_OUT,
    COLUMNS,
    COMPUTING,
    ROWS,
    SENDING,
    SENT,
    TILES_UNROLLED,
    Sender,
    exchange_source,
    results_offset,
)
from sw.host import ArrayBackend, control_registers, load_program, read_blocks, run_program, write_blocks
from sw.kernels.packing import pack_a, pack_b, unpack_c

_MAX_CYCLES = 1_000_000


@dataclass(frozen=True)
class ExchangeResult:
    """What a run on two nodes gave; of what is measured on both, the slower one's figure.

    Attributes
    ----------
    steps : int
        Matrix steps of a node.
    step_cycles : int
        Cycles from before the first step of either computing thread to behind the last one's last.
    lines : int
        Lines that a node sends, and that arrive there.
    send_cycles : int
        Cycles from before the first request of either sending thread to behind the last one's last, or from the start of a list
        until both nodes' lists are over; 0 if nothing is sent.
    bank_conflicts : int
        Of both nodes.
    """

    steps: int
    step_cycles: int
    lines: int
    send_cycles: int
    bank_conflicts: int

    @property
    def steps_per_cycle(self) -> float:
        """Matrix steps of a node."""
        return self.steps / self.step_cycles

    @property
    def lines_per_cycle(self) -> float:
        """Lines that a node sends, and as many that it gets."""
        return self.lines / self.send_cycles if self.send_cycles else 0.0


class ExchangeFailed(RuntimeError):
    """A run that did not end with success, or gave something wrong; the message says what."""


def run_exchange(
    array: ArrayBackend, sender: Sender, length: int = 896, lines: int = 2048, passes: int = 2, seed: int = 1
) -> ExchangeResult:
    """Run on two neighbouring nodes at rest.

    Parameters
    ----------
    array : ArrayBackend
        Of one row and two columns, of nodes with four threads, four accumulators and five blocks of SRAM at least; and with
        lists, where those send.
    sender : Sender
    length : int
        Tiles of a panel, a multiple of 8: a computing thread makes four times as many steps.
    lines : int
        Lines that each sending thread has, a multiple of 16. A list has those of both.
    passes : int
        How often it sends them.
    seed : int
        Of operands and lines.

    Raises
    ------
    ValueError
        If array or numbers are not as stated.
    ExchangeFailed
        If a node did not end with success, or a bit of the product or of what arrived is wrong.
    """
    config = array.config
    _check(array, sender, length, lines, passes)
    program = assemble(exchange_source(config, sender, length, lines, passes), "exchange.s", config)
    generator = np.random.default_rng(seed)
    m, n, k = COMPUTING * ROWS * config.matrix_m, COLUMNS * config.matrix_n, length * MATRIX_K
    sent = generator.integers(0, 256, (2, SENDING * lines * config.line_bytes), np.uint8)
    # Of both signs and all magnitudes near 1, so that sums stay finite.
    a, b = (
        (generator.integers(120 << 7, 134 << 7, shape) | generator.integers(0, 2, shape) << 15).astype(np.uint16)
        for shape in ((2, m, k), (2, k, n))
    )
    for x in range(2):
        load_program(array, program, sites=[(x, 0)])
        contents = ((BLOCK_A, pack_a(config, a[x], MATRIX_K)), (BLOCK_B, pack_b(config, b[x], MATRIX_K)), (BLOCK_OUT, sent[x]))
        blocks = [(x, 0, block * config.block_bytes, each.tobytes()) for block, each in contents]
        if sender.lists:
            offset = program.symbols["list"] - SRAM_BASE
            blocks.append((x, 0, offset, _list(config, sender, x, offset, SENDING * lines, passes)))
        write_blocks(array, blocks)
    sites = [(0, 0), (1, 0)]
    counters = (ControlRegister.MATRIX_STEPS, ControlRegister.BANK_CONFLICTS)
    before = control_registers(array, sites, counters)
    report = run_program(array, program, _MAX_CYCLES, load=False)
    if not report.passed:
        raise ExchangeFailed(report.summary())
    after = control_registers(array, sites, counters)

    tiles = COMPUTING * ROWS * COLUMNS
    steps, sends = [], []
    for x in range(2):
        times, c, arrived = read_blocks(
            array,
            [
                (x, 0, program.symbols["times"] - SRAM_BASE, 16 * (COMPUTING + SENDING)),
                (x, 0, results_offset(config, length), tiles * config.accumulator_bytes),
                (x, 0, BLOCK_IN * config.block_bytes, sent[x].nbytes if sender.threads else 0),
            ],
        )
        shape = (COMPUTING * ROWS, COLUMNS, config.matrix_m, config.matrix_n)
        if not np.array_equal(unpack_c(np.frombuffer(c, "<u4").reshape(shape), m, n), matmul(a[x], b[x])):
            raise ExchangeFailed(f"the product of the node in column {x} differs from the golden model's")
        if sender.threads and arrived != sent[1 - x].tobytes():
            raise ExchangeFailed(f"what arrived at the node in column {x} differs from what the other one sent")
        spans = np.frombuffer(times, "<u8").reshape(-1, 2).astype(int)
        computing, sending = spans[0::2], spans[1::2][: sender.threads]
        steps.append(int(computing[:, 1].max() - computing[:, 0].min()))
        sends.append(int(sending[:, 1].max() - sending[:, 0].min()) if sender.threads else 0)
    return ExchangeResult(
        steps=max(late[0] - early[0] for early, late in zip(before, after, strict=True)),
        step_cycles=max(steps),
        lines=SENDING * lines * passes if sender.threads else 0,
        send_cycles=max(sends),
        bank_conflicts=sum(late[1] - early[1] for early, late in zip(before, after, strict=True)),
    )


def _list(config: NodeConfig, sender: Sender, x: int, offset: int, lines: int, passes: int) -> bytes:
    """The list of the node in column x that pushes its lines to the other one, or pulls that one's, so many times."""
    ends = (x, 1 - x) if sender is Sender.PUSH else (1 - x, x)
    source, destination = (
        int(GlobalAddress(column, 0, block * config.block_bytes))
        for column, block in zip(ends, (BLOCK_OUT, BLOCK_IN), strict=True)
    )
    again = transfers.copy(
        config, source, destination, rows=passes, row_bytes=lines * config.line_bytes, source_pitch=0, destination_pitch=0
    )
    return transfers.chain(again, offset, post_source=SENT, post_destination=ARRIVED)


def _check(array: ArrayBackend, sender: Sender, length: int, lines: int, passes: int) -> None:
    config = array.config
    if (array.rows, array.columns) != (1, 2):
        raise ValueError(f"an array of {array.rows}x{array.columns} is not one of 1x2")
    for field, least in (("threads", COMPUTING + SENDING), ("accumulators", ROWS * COLUMNS), ("sram_blocks", BLOCK_IN + 1)):
        if getattr(config, field) < least:
            raise ValueError(f"{field} = {getattr(config, field)} of '{config.name}' is less than the {least} that are needed")
    if sender.lists and not config.lists:
        raise ValueError(f"lists = 0 of '{config.name}': there are none that could send; take 2, 4 or 8")
    most = config.block_bytes // config.line_bytes
    limits = (
        ("length", length, TILES_UNROLLED, most // (COMPUTING * ROWS)),
        ("lines", lines, BATCH, most // SENDING),
    )
    for name, number, unit, limit in limits:
        if number % unit or not 0 < number <= limit:
            raise ValueError(f"{name} = {number} is not a multiple of {unit} from {unit} to {limit}")
    if not 0 < passes * lines <= 0x7FFF:
        raise ValueError(f"passes = {passes}: {lines} lines can be sent 1 to {0x7FFF // lines} times, as semaphores count them")
