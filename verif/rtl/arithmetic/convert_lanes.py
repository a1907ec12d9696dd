# SPDX-License-Identifier: Apache-2.0
"""Converters side by side between registers, and how benches feed them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import Flag, FormatKind
from verif.bench import play

LANES = 16

Fp32 = npt.NDArray[np.uint32]

BIASES = range(64)
CFP8 = (FormatKind.CFP8_143, FormatKind.CFP8_152)


class ConvertLanes(wiring.Component):
    """``LANES`` instances of module ``convert``, with one kind, bias and rounding for all; ``result`` one cycle after theirs.

    Parameters
    ----------
    component : FormatEncode or FormatDecode
        What the module is.
    clocked : bool
        Whether it has registers.
    operand, result : str
        Its ports of 32 bits.
    """

    def __init__(self, component: Any, operand: str, result: str, clocked: bool = False) -> None:
        self.clocked = clocked
        self.names = {"operand": operand, "result": result}
        members = component.signature.members
        self.shared = [name for name in members if name not in (operand, result, "flags", "random")]
        self.has_random = "random" in members
        shared = {name: In(members[name].shape) for name in self.shared}
        lanes = {"operand": In(32 * LANES), "result": Out(32 * LANES), "flags": Out(6 * LANES)}
        super().__init__(shared | lanes | ({"random": In(24 * LANES)} if self.has_random else {}))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for lane in range(LANES):
            outputs = {name: Signal(bits, name=f"{name}{lane}") for name, bits in (("result", 32), ("flags", 6))}
            ports: dict[str, Any] = {f"i_{name}": getattr(self, name) for name in self.shared}
            ports[f"i_{self.names['operand']}"] = self.operand.word_select(lane, 32)
            if self.clocked:
                ports |= {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
            if self.has_random:
                ports["i_random"] = self.random.word_select(lane, 24)
            ports[f"o_{self.names['result']}"] = outputs["result"]
            ports["o_flags"] = outputs["flags"]
            m.submodules[f"convert{lane}"] = Instance("convert", **ports)
            for name, signal in outputs.items():
                m.d.sync += getattr(self, name).word_select(lane, len(signal)).eq(signal)
        return m


def packed(fields: npt.NDArray[Any], bits: int) -> list[int]:
    """One number per row of an array (n, LANES), its elements of ``bits`` bits packed with the first one lowest."""
    places = [bits * lane for lane in range(fields.shape[1])]
    return [sum(field << place for field, place in zip(row, places, strict=True)) for row in fields.tolist()]


def unpacked(words: list[int], bits: int) -> npt.NDArray[np.uint32]:
    """The inverse of :func:`packed`."""
    mask = (1 << bits) - 1
    return np.array([[word >> bits * lane & mask for lane in range(LANES)] for word in words], np.uint32)


def assert_same(what: str, operands: Fp32, seen: tuple[Fp32, Fp32], expected: tuple[Any, Any]) -> None:
    """Fails with the first operands whose result or flags differ."""
    wrong = np.flatnonzero((seen[0] != expected[0]) | (seen[1] != expected[1]))
    assert not len(wrong), f"{what}: {len(wrong)} of {len(operands)} differ\n" + "\n".join(
        f"{operands[i]:#x} gives {expected[0][i]:#x} with {Flag(int(expected[1][i]))!r}, not {seen[0][i]:#x} with {seen[1][i]:#x}"
        for i in wrong[:8]
    )


async def convert(dut: Any, batches: list[dict[str, Any]], cycles: int = 0) -> list[tuple[Fp32, Fp32]]:
    """Results and flags of batches: dictionaries of ``operand`` (n), ``kind``, ``bias`` and what else there is.

    The converters take so many cycles.
    """
    inputs: dict[str, list[int]] = {}
    sizes = []
    for batch in batches:
        count = len(batch["operand"])
        rows = -(-count // LANES)
        sizes.append((count, rows))
        for name, value in batch.items():
            if isinstance(value, np.ndarray):
                padded = np.pad(value.astype(np.uint32), (0, rows * LANES - count)).reshape(rows, LANES)
                values = packed(padded, 24 if name == "random" else 32)
            else:
                values = [int(value)] * rows
            inputs.setdefault(name, []).extend(values)
    record = await play(dut, inputs, ["result", "flags"], extra_cycles=1 + cycles)
    results, flags = unpacked(record["result"][1 + cycles :], 32), unpacked(record["flags"][1 + cycles :], 6)
    answers = []
    start = 0
    for count, rows in sizes:
        part = slice(start, start + rows)
        answers.append((results[part].reshape(-1)[:count], flags[part].reshape(-1)[:count]))
        start += rows
    return answers
