# SPDX-License-Identifier: Apache-2.0
"""Rebuilds vector registers, predicates and accumulators of a thread from what XVFI shows, and checks that on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.accumulators import Accumulators
from golden.config import NodeConfig
from golden.formats import BF16, format_of
from golden.isa import Instruction, Unit, decode
from golden.layout import FormatDescriptor, FormatKind
from verif.rtl.rvfi.monitor import RvfiError, RvfiInstruction

__all__ = ["XvfiError", "XvfiEvent", "XvfiThread", "rebuild"]

_MASK_64 = (1 << 64) - 1

#: Operations of the matrix array.
_STEP, _LOAD_LINE, _CLEAR = 1, 2, 3


class XvfiError(RvfiError):
    """What XVFI shows cannot be, or does not fit to what RVFI shows."""


@dataclass(frozen=True)
class XvfiEvent:
    """A port of XVFI in a cycle in which it is valid.

    Members
    -------
    kind : str
        ``vector``, ``predicate``, ``read``, ``write``, ``send`` or ``matrix``.
    port, thread, order : int
        Which one of the ports of that kind, and the fields that all have.
    fields : mapping
        The other fields: numbers, or bytes for ``data``, ``a``, ``b``; masks as numbers.
    """

    kind: str
    port: int
    thread: int
    order: int
    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


class XvfiThread:
    """Follows a thread from reset on.

    Each instruction shows exactly the events that it must have, with data that are those of the registers, predicates,
    accumulators and lines that it names, as far as what went before tells; and nothing shows for an instruction that trapped, but
    granules that a gather had read. What SIMD operations calculate is taken as it is.

    Parameters
    ----------
    config : NodeConfig
    events : sequence of XvfiEvent
        Of this thread; those of a kind and port in the order in which they showed.

    Members
    -------
    vectors : list of (bytes or None)
        Vector registers, None as long as nothing was written there.
    predicates : list of (int or None)
        p0 is all ones.
    accumulators : Accumulators
    """

    def __init__(self, config: NodeConfig, events: Sequence[XvfiEvent]):
        self.config = config
        self.vectors: list[bytes | None] = [None] * 32
        self._ones = (1 << config.line_bytes) - 1
        self.predicates: list[int | None] = [self._ones] + [None] * 7
        self.accumulators = Accumulators(config)
        self._events: dict[int, list[XvfiEvent]] = defaultdict(list)
        for event in events:
            self._events[event.order].append(event)

    def follow(self, instructions: Sequence[RvfiInstruction]) -> None:
        """Check these instructions, which follow each other, and what they show.

        Raises
        ------
        XvfiError
        """
        for it in instructions:
            self._follow(it, self._events.pop(it.order, []))

    def finish(self) -> None:
        """No instruction is under way any more.

        Raises
        ------
        XvfiError
        """
        if self._events:
            number, events = min(self._events.items())
            raise XvfiError(f"{events[0].kind} shows for instruction {number}, which RVFI does not")

    def _follow(self, it: RvfiInstruction, events: list[XvfiEvent]) -> None:
        row = decode(it.insn)
        seen = {
            kind: [event for event in events if event.kind == kind] for kind in ("vector", "predicate", "write", "send", "matrix")
        }
        seen |= {f"read{port}": [event for event in events if (event.kind, event.port) == ("read", port)] for port in range(3)}
        if it.trap or row is None:
            gathers = row is not None and row.mnemonic.startswith(("vlds", "vldx"))
            self._expect(it, seen, {"read0": range(9)} if gathers else {})
            return
        count, check = self._expected(it, row)
        self._expect(it, seen, count)
        check(seen)
        for event in seen["matrix"]:
            self._operate(it, event)
        for event in seen["vector"]:
            self._same(it, "vd", event["vd"], it.insn >> 7 & 31)
            self.vectors[event["vd"]] = event["data"]
        for event in seen["predicate"]:
            self._same(it, "pd", event["pd"], it.insn >> 7 & 7)
            if event["pd"]:
                self.predicates[event["pd"]] = event["data"]

    @staticmethod
    def _expect(it: RvfiInstruction, seen: dict[str, list[XvfiEvent]], count: Mapping[str, int | range]) -> None:
        for kind, events in seen.items():
            allowed = count.get(kind, 0)
            if len(events) not in (allowed if isinstance(allowed, range) else (allowed,)):
                raise XvfiError(f"{it}: {kind} shows {len(events)} times, expected {allowed}")

    @staticmethod
    def _same(it: RvfiInstruction, name: str, seen: Any, wanted: Any) -> None:
        """What is not known, None, is like anything."""
        if wanted is not None and seen != wanted:
            shown, expected = (each[::-1].hex() if isinstance(each, bytes) else hex(each) for each in (seen, wanted))
            raise XvfiError(f"{it}: {name} is {shown}, expected {expected}")

    # -- what instructions show ---------------------------------------------------------------------------------------

    def _expected(
        self, it: RvfiInstruction, row: Instruction
    ) -> tuple[dict[str, int | range], Callable[[dict[str, list[XvfiEvent]]], None]]:
        """How often each kind shows, and what checks it."""
        if row.unit is Unit.LOAD:
            return {"read0": 1}, lambda seen: self._scalar_load(it, seen["read0"][0])
        if row.unit is Unit.STORE:
            return {"write": 1}, lambda seen: self._scalar_store(it, seen["write"][0])
        if row.mnemonic in ("vld", "vld.p"):
            return {"read0": 1, "vector": 1}, lambda seen: self._vector_load(it, seen)
        if row.unit is Unit.VECTOR_LOAD:
            return {"read0": range(9), "vector": 1}, lambda seen: self._gather(it, row, seen)
        if row.unit is Unit.VECTOR_STORE:
            return {"write": 1}, lambda seen: self._vector_store(it, seen["write"][0])
        if row.mnemonic == "nlist":
            return {}, lambda seen: None
        if row.unit is Unit.NETWORK:
            # A request that fails leaves its register as it was.
            responses = range(2) if row.mnemonic == "nread" else 0
            return {"send": 1, "vector": responses}, lambda seen: self._request(it, row, seen["send"][0])
        if row.unit is Unit.MATRIX:
            return self._matrix(it, row)
        if row.unit is Unit.ACCUMULATOR_STORE:
            lines = self.config.accumulator_lines
            return {"write": lines}, lambda seen: self._accumulator_store(it, row, seen["write"])
        count: dict[str, int | range] = {"vector": int("vd" in row.operands), "predicate": int("pd" in row.operands)}
        return count, lambda seen: self._predicate_operation(it, row, seen["predicate"])

    def _line(self, address: int) -> int:
        return address & -self.config.line_bytes

    def _scalar_load(self, it: RvfiInstruction, read: XvfiEvent) -> None:
        self._same(it, "the line's address", read["address"], self._line(it.mem_addr))
        low = it.mem_addr % self.config.line_bytes
        size = it.mem_rmask.bit_count()
        self._same(it, "what was read", read["data"][low : low + size], it.mem_rdata.to_bytes(8, "little")[:size])

    def _scalar_store(self, it: RvfiInstruction, write: XvfiEvent) -> None:
        low = it.mem_addr % self.config.line_bytes
        size = it.mem_wmask.bit_count()
        self._same(it, "the line's address", write["address"], self._line(it.mem_addr))
        self._same(it, "the line's mask", write["mask"], it.mem_wmask << low)
        self._same(it, "what is written", write["data"][low : low + size], it.mem_wdata.to_bytes(8, "little")[:size])

    def _vector_load(self, it: RvfiInstruction, seen: dict[str, list[XvfiEvent]]) -> None:
        post = it.insn >> 12 & 7 == 1
        read = seen["read0"][0]
        self._same(it, "address", read["address"], it.rs1_rdata + (0 if post else _signed(it.insn >> 20, 12)) & _MASK_64)
        self._same(it, "the vector", seen["vector"][0]["data"], read["data"])

    def _vector_store(self, it: RvfiInstruction, write: XvfiEvent) -> None:
        offset = 0 if it.insn >> 12 & 7 == 3 else _signed((it.insn >> 25) << 5 | it.insn >> 7 & 31, 12)
        self._same(it, "address", write["address"], it.rs1_rdata + offset & _MASK_64)
        self._same(it, "mask", write["mask"], self._ones)
        self._same(it, "the line", write["data"], self.vectors[it.insn >> 20 & 31])

    def _gather(self, it: RvfiInstruction, row: Instruction, seen: dict[str, list[XvfiEvent]]) -> None:
        granule = int(row.mnemonic.partition(".")[2])
        count = self.config.line_bytes // granule
        if row.mnemonic.startswith("vldx"):
            index = self.vectors[it.insn >> 20 & 31]
            if index is None:
                return
            offsets = [int(each) for each in np.frombuffer(index, "<u4")[:count]]
        else:
            offsets = [number * _signed(it.rs2_rdata, 32) for number in range(count)]
        if row.mnemonic.startswith("vldsz"):
            count = min(count, max(0, _signed(it.rs2_rdata >> 32, 32)))
        addresses = [it.rs1_rdata + offset & _MASK_64 for offset in offsets[:count]]
        self._same(it, "the number of granules", len(seen["read0"]), count)
        loaded = b""
        for address, read in zip(addresses, seen["read0"], strict=True):
            self._same(it, "a granule's address", read["address"], self._line(address))
            low = address % self.config.line_bytes
            loaded += read["data"][low : low + granule]
        self._same(it, "the vector", seen["vector"][0]["data"], loaded.ljust(self.config.line_bytes, b"\0"))

    def _request(self, it: RvfiInstruction, row: Instruction, send: XvfiEvent) -> None:
        self._same(it, "address", send["address"], it.rs1_rdata)
        self._same(it, "read", send["read"], int(row.mnemonic == "nread"))
        self._same(it, "post", send["post"], int("sem" in row.operands))
        if "sem" in row.operands:
            self._same(it, "sem", send["sem"], it.insn >> 7 & 31)
        if row.mnemonic == "nsd":
            low = it.rs1_rdata % self.config.line_bytes
            self._same(it, "mask", send["mask"], 0xFF << low)
            self._same(it, "data", send["data"][low : low + 8], it.rs2_rdata.to_bytes(8, "little"))
        elif row.mnemonic == "npost":
            self._same(it, "mask", send["mask"], 0)
        elif row.mnemonic != "nread":
            self._same(it, "mask", send["mask"], self._ones)
            self._same(it, "data", send["data"], self.vectors[it.insn >> 20 & 31])

    def _matrix(
        self, it: RvfiInstruction, row: Instruction
    ) -> tuple[dict[str, int | range], Callable[[dict[str, list[XvfiEvent]]], None]]:
        if row.mnemonic == "mzero":
            return {"matrix": 1}, lambda seen: self._same(it, "op", seen["matrix"][0]["op"], _CLEAR)
        if row.mnemonic.startswith("mld"):
            lines = self.config.accumulator_lines
            return {"matrix": lines, "read1": lines}, lambda seen: self._accumulator_load(it, seen)
        if "vs1" in row.operands:
            return {"matrix": 1}, lambda seen: self._step_of_registers(it, row, seen["matrix"][0])
        # With named formats there are two, and operands of 16 bits have a line for each.
        steps = 2 if "fab" in row.operands else 1
        some = range(1, steps + 1)
        return {"matrix": steps, "read1": some, "read2": some}, lambda seen: self._steps(it, row, seen)

    def _accumulator_load(self, it: RvfiInstruction, seen: dict[str, list[XvfiEvent]]) -> None:
        for number, (read, event) in enumerate(zip(seen["read1"], seen["matrix"], strict=True)):
            self._same(it, "address", read["address"], it.rs1_rdata + number * self.config.line_bytes)
            self._same(it, "op", event["op"], _LOAD_LINE)
            self._same(it, "the accumulator's line", event["line"], number)
            self._same(it, "a", event["a"], read["data"])

    def _step_of_registers(self, it: RvfiInstruction, row: Instruction, event: XvfiEvent) -> None:
        self._same(it, "op", event["op"], _STEP)
        self._same(it, "zero", event["zero"], int(row.mnemonic.startswith("mstepz")))
        self._same(it, "half", event["half"], int(".xh" in row.mnemonic))
        self._check_formats(it, row, event)
        for name, register in (("a", it.insn >> 15 & 31), ("b", it.insn >> 20 & 31)):
            self._same(it, name, event[name], self.vectors[register])

    def _steps(self, it: RvfiInstruction, row: Instruction, seen: dict[str, list[XvfiEvent]]) -> None:
        for number, event in enumerate(seen["matrix"]):
            self._same(it, "op", event["op"], _STEP)
            self._same(it, "zero", event["zero"], int(number == 0 and row.mnemonic.startswith("mstepz")))
            self._same(it, "half", event["half"], number)
            self._check_formats(it, row, event)
            for side, port, start in (("a", "read1", it.rs1_rdata), ("b", "read2", it.rs2_rdata)):
                wide = event[f"kind_{side}"] == FormatKind.BF16
                lines = seen[port]
                self._same(it, f"the lines of {side}", len(lines), len(seen["matrix"]) if wide else 1)
                place = number if wide else 0
                self._same(it, f"address of {side}", lines[place]["address"], start + place * self.config.line_bytes)
                self._same(it, side, event[side], lines[place]["data"])

    def _check_formats(self, it: RvfiInstruction, row: Instruction, event: XvfiEvent) -> None:
        """Where none is named, operands are BF16."""
        if "fab" not in row.operands:
            for side in "ab":
                self._same(it, f"kind_{side}", event[f"kind_{side}"], FormatKind.BF16)

    def _operate(self, it: RvfiInstruction, event: XvfiEvent) -> None:
        """What an operation does to its accumulator."""
        self._same(it, "accumulator", event["accumulator"], it.insn >> 7 & 7)
        number = event["accumulator"]
        if event["op"] == _CLEAR:
            self.accumulators.clear(number)
        elif event["op"] == _LOAD_LINE:
            line_bytes = self.config.line_bytes
            content = bytearray(self._accumulator(number))
            content[event["line"] * line_bytes : (event["line"] + 1) * line_bytes] = event["a"]
            self.accumulators.load(number, content)
        else:
            operands, formats = [], []
            for side in "ab":
                fmt = format_of(FormatDescriptor(FormatKind(event[f"kind_{side}"]), event[f"bias_{side}"]))
                half = self.config.line_bytes // 2
                data = event[side]
                operands.append(data if fmt is BF16 else data[half * event["half"] : half * (event["half"] + 1)])
                formats.append(fmt)
            operate = self.accumulators.restart if event["zero"] else self.accumulators.step
            operate(number, operands[0], operands[1], (formats[0], formats[1]))

    def _accumulator(self, number: int) -> bytes:
        return self.accumulators.read(number).astype("<u4").tobytes()

    def _accumulator_store(self, it: RvfiInstruction, row: Instruction, writes: list[XvfiEvent]) -> None:
        if not row.mnemonic.startswith("mst.f32"):
            return
        line_bytes = self.config.line_bytes
        content = self._accumulator(it.insn >> 7 & 7)
        for number, write in enumerate(writes):
            self._same(it, "address", write["address"], it.rs1_rdata + number * line_bytes)
            self._same(it, "mask", write["mask"], self._ones)
            self._same(it, "a line of the accumulator", write["data"], content[number * line_bytes : (number + 1) * line_bytes])

    def _predicate_operation(self, it: RvfiInstruction, row: Instruction, written: list[XvfiEvent]) -> None:
        left, right = self.predicates[it.insn >> 15 & 7], self.predicates[it.insn >> 20 & 7]
        if row.mnemonic == "pmv.x.p":
            self._same(it, "rd_wdata", it.rd_wdata, left if it.rd_addr else 0)
        elif row.mnemonic == "pmv.p.x":
            self._same(it, "the predicate", written[0]["data"], it.rs1_rdata & self._ones)
        elif row.mnemonic in ("pand", "por", "pxor", "pandn") and left is not None and right is not None:
            value = {"pand": left & right, "por": left | right, "pxor": left ^ right, "pandn": left & ~right}[row.mnemonic]
            self._same(it, "the predicate", written[0]["data"], value)


def rebuild(
    config: NodeConfig,
    instructions: Mapping[int, Sequence[RvfiInstruction]],
    records: Mapping[str, npt.NDArray[np.void]],
) -> dict[int, XvfiThread]:
    """Follow all threads of a node, given the records of ``SimulatedArray.xvfi_records`` by kind, from reset on to the end.

    Raises
    ------
    XvfiError
    """
    events: dict[int, list[XvfiEvent]] = {thread: [] for thread in instructions}
    for kind, of_kind in records.items():
        names = [name for name in of_kind.dtype.names or () if name not in ("cycle", "x", "y", "port", "thread", "order")]
        for record in of_kind:
            fields: dict[str, Any] = {}
            for name in names:
                if name in ("data", "a", "b", "mask"):
                    content = record[name].tobytes()
                    numeric = name == "mask" or (name == "data" and kind == "predicate")
                    fields[name] = int.from_bytes(content, "little") if numeric else content
                else:
                    fields[name] = int(record[name])
            thread = int(record["thread"])
            if thread not in events:
                raise XvfiError(f"{kind} shows for thread {thread}, which has executed nothing")
            events[thread].append(XvfiEvent(kind, int(record["port"]), thread, int(record["order"]), fields))
    followed = {}
    for thread, done in instructions.items():
        followed[thread] = state = XvfiThread(config, events[thread])
        state.follow(done)
        state.finish()
    return followed
