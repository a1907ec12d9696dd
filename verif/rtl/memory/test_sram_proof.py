# SPDX-License-Identifier: Apache-2.0
"""SRAM, proved: whoever is granted reads what was written before, in whatever order accesses come, and nobody waits for ever."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.interfaces import line_address_bits
from rtl.memory.banks import bank_of
from rtl.memory.macro import READ_PORTS, WRITE_PORTS, array_signature, holds_writes
from rtl.memory.sram import Sram
from verif.formal.proof import check_bounded, check_reachable

SMALLEST = NodeConfig(line_bytes=16, sram_blocks=1, sram_ways=2, bank_lines=16, threads=1)
CONFIGS = {
    "two banks": SMALLEST,
    "held writes": SMALLEST.replace(matrix_passes=4),
    "sequential": SMALLEST.replace(sram_ways=1, matrix_passes=4, link_passes=4, core="sequential"),
}
READERS = ("fetch", "scalar", "network_read", "load1", "load0")
SEQUENTIAL_READERS = ("fetch", "network_read", "load0")
WRITERS = ("network_write", "store")


class OneByte(wiring.Component):
    """The array's contract, of one byte of one line; everything else that is read is free. Its callers' duties are asserted."""

    def __init__(self, contract: Contract):
        self.contract = contract
        super().__init__(array_signature(contract.config))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        contract, config = self.contract, self.contract.config
        value = Signal(8)
        for names, kind in ((READ_PORTS, "r"), (WRITE_PORTS, "w")):
            ports = [(getattr(self, f"{p}_{kind}_en"), bank_of(config, getattr(self, f"{p}_{kind}_address"))) for p in names]
            for number, (en, bank) in enumerate(ports):
                for other_en, other_bank in ports[:number]:
                    m.d.comb += Assert(~(en & other_en & (bank == other_bank)))
        for p in READ_PORTS:
            en, address = getattr(self, f"{p}_r_en"), getattr(self, f"{p}_r_address")
            reads, before = Signal(name=f"{p}_reads_it"), Signal(8, name=f"{p}_reads")
            m.d.sync += [reads.eq(en & (address == contract.line)), before.eq(value)]
            shown = getattr(self, f"{p}_r_data")
            m.d.comb += [shown.eq(contract.other), shown.word_select(contract.byte, 8).eq(Mux(reads, before, contract.other[:8]))]
            if holds_writes(config):
                w_en, w_address = self.network_w_en, self.network_w_address
                m.d.comb += Assert(~(en & w_en & (address == w_address)))
        for p in WRITE_PORTS:
            with m.If(
                getattr(self, f"{p}_w_en")
                & (getattr(self, f"{p}_w_address") == contract.line)
                & getattr(self, f"{p}_w_mask").bit_select(contract.byte, 1)
            ):
                m.d.sync += value.eq(getattr(self, f"{p}_w_data").word_select(contract.byte, 8))
        return m


class Contract(wiring.Component):
    """An arbitrary byte of an arbitrary line beside what the ports' contracts say that it holds; all requests are free."""

    def __init__(self, config: NodeConfig):
        self.config = config
        self.readers = SEQUENTIAL_READERS if config.core == "sequential" else READERS
        address, line = line_address_bits(config), 8 * config.line_bytes
        members: dict[str, Any] = {"line": In(address), "byte": In(range(config.line_bytes)), "other": In(line)}
        for name in (*self.readers, *WRITERS):
            members |= {f"{name}_req": In(1), f"{name}_address": In(address)}
        for name in WRITERS:
            members |= {f"{name}_mask": In(config.line_bytes), f"{name}_data": In(line)}
        super().__init__({**members, "passes": Out(1), "store_waited": Out(1)})

    def stub(self, monkeypatch: pytest.MonkeyPatch) -> Contract:
        """Replace the array by what is known of it."""
        monkeypatch.setattr("rtl.memory.sram.SramArray", lambda config: OneByte(self))
        return self

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.sram = sram = Sram(config, reference=True)
        first, line, byte = Signal(init=1), Signal.like(self.line), Signal.like(self.byte)
        m.d.sync += [first.eq(0), line.eq(self.line), byte.eq(self.byte)]
        m.d.comb += Assume(first | ((line == self.line) & (byte == self.byte)))
        holds, written = Signal(8), Signal()

        for name in (*self.readers, *WRITERS):
            port, req, address = getattr(sram, name), getattr(self, f"{name}_req"), getattr(self, f"{name}_address")
            asks, asked = Signal(name=f"{name}_asks"), Signal.like(address, name=f"{name}_asked")
            m.d.sync += [asks.eq(req & ~port.grant), asked.eq(address)]
            m.d.comb += [port.req.eq(req), port.address.eq(address), Assume(~asks | (req & (address == asked)))]
            if name != "store" or config.core != "sequential":
                m.d.comb += Assert(~port.grant | req)
        passes = Signal(len(self.readers))
        for index, name in enumerate(self.readers):
            port = getattr(sram, name)
            reads, expected = Signal(name=f"{name}_reads"), Signal(8, name=f"{name}_expected")
            m.d.sync += [reads.eq(port.grant & (port.address == self.line)), expected.eq(holds)]
            m.d.comb += [
                Assert(~reads | (port.data.word_select(self.byte, 8) == expected)),
                # What is read is what a port wrote, in the very cycle of another write of it.
                passes[index].eq(reads & written & (expected != 0)),
            ]
        for name in WRITERS:
            port, mask, value = getattr(sram, name), getattr(self, f"{name}_mask"), getattr(self, f"{name}_data")
            m.d.comb += [port.mask.eq(mask), port.data.eq(value)]
            with m.If(port.req & port.grant & (port.address == self.line) & mask.bit_select(self.byte, 1)):
                m.d.sync += [holds.eq(value.word_select(self.byte, 8)), written.eq(1)]
        first_writer, second = (getattr(sram, name) for name in WRITERS)
        both = first_writer.grant & second.req & second.grant & (first_writer.address == second.address)
        m.d.comb += Assert(~both)

        # Longest waits; beside a sequential core the network asks in every other cycle at most, and then nobody waits for long.
        waits = {name: Signal(4, name=f"{name}_waits") for name in (*self.readers, *WRITERS)}
        for name, waited in waits.items():
            port = getattr(sram, name)
            m.d.sync += waited.eq(Mux(port.req & ~port.grant, waited + 1, 0))
        held = config.matrix_passes > 1
        for name in WRITERS:
            m.d.comb += Assert(waits[name] <= 1)
        if not held:
            m.d.comb += [Assert(waits[name] <= len(self.readers) - 1) for name in self.readers]
        m.d.comb += [self.passes.eq(Cat(passes).any()), self.store_waited.eq(waits["store"] == 1)]
        return m


@pytest.mark.parametrize("name", CONFIGS)
def test_reads_show_what_was_written_before_and_writes_wait_for_one_cycle_at_most(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_bounded(Contract(CONFIGS[name]).stub(monkeypatch), 5)


@pytest.mark.parametrize("output", ["passes", "store_waited"])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_was_written_is_read_and_stores_do_wait(name: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_reachable(Contract(CONFIGS[name]).stub(monkeypatch), output, 5)
