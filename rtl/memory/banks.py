# SPDX-License-Identifier: Apache-2.0
"""Reference RTL of the SRAM array macro."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from golden.config import NodeConfig
from rtl.memory.macro import READ_PORTS, WRITE_PORTS, array_signature, holds_writes

__all__ = ["SramArray", "bank_of", "row_of"]


def bank_of(config: NodeConfig, line):
    """Number of the bank that holds a line: block x ways + way. A value of 0 bits if there is one bank."""
    way_bits = (config.sram_ways - 1).bit_length()
    row_bits = (config.bank_lines - 1).bit_length()
    return Cat(line[:way_bits], line[way_bits + row_bits :])


def row_of(config: NodeConfig, line):
    """Number of a line within its bank."""
    way_bits = (config.sram_ways - 1).bit_length()
    row_bits = (config.bank_lines - 1).bit_length()
    return line[way_bits : way_bits + row_bits]


class SramArray(wiring.Component):
    """The banks: one read port and one write port with byte enables each, shared by five readers and two writers.

    Callers never enable two reads, or two writes, in one bank; nothing here arbitrates. Reads take one cycle and return what
    was there before a write of the same cycle. Where writes are held (:func:`rtl.memory.macro.holds_writes`), they come by the
    first write port only, and never with a read of the same line.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    Those of :func:`rtl.memory.macro.array_signature`.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(array_signature(config))

    def elaborate(self, platform):
        m = Module()
        config = self.config
        read_data = []
        readers = {p: (getattr(self, f"{p}_r_en"), getattr(self, f"{p}_r_address")) for p in READ_PORTS}
        first, second = WRITE_PORTS
        for number in range(config.banks):
            attributes = {"no_rw_check": 1} if holds_writes(config) else {}
            memory = Memory(shape=unsigned(8 * config.line_bytes), depth=config.bank_lines, init=[], attrs=attributes)
            m.submodules[f"bank{number}"] = memory
            read, write = memory.read_port(), memory.write_port(granularity=8)
            read_data.append(read.data)

            def here(address, number=number):
                return bank_of(config, address) == number if config.banks > 1 else 1

            chosen = [Signal(name=f"bank{number}_{p}_chosen") for p in READ_PORTS]
            row = 0
            for select, (en, address) in zip(chosen, readers.values(), strict=True):
                m.d.comb += select.eq(en & here(address))
                row = row | (row_of(config, address) & select.replicate(len(read.addr)))
            m.d.comb += [read.en.eq(Cat(chosen).any()), read.addr.eq(row)]

            enables = [getattr(self, f"{p}_w_en") & here(getattr(self, f"{p}_w_address")) for p in WRITE_PORTS]
            if holds_writes(config):
                m.d.comb += [
                    write.addr.eq(row_of(config, getattr(self, f"{first}_w_address"))),
                    write.data.eq(getattr(self, f"{first}_w_data")),
                    write.en.eq(getattr(self, f"{first}_w_mask") & enables[0].replicate(config.line_bytes)),
                ]
                continue
            by_first = Signal(name=f"bank{number}_{first}_writes")
            m.d.comb += [
                by_first.eq(enables[0]),
                write.addr.eq(
                    row_of(config, Mux(by_first, getattr(self, f"{first}_w_address"), getattr(self, f"{second}_w_address")))
                ),
                write.data.eq(Mux(by_first, getattr(self, f"{first}_w_data"), getattr(self, f"{second}_w_data"))),
            ]
            with m.If(by_first):
                m.d.comb += write.en.eq(getattr(self, f"{first}_w_mask"))
            with m.Elif(enables[1]):
                m.d.comb += write.en.eq(getattr(self, f"{second}_w_mask"))

        for port, (en, address) in readers.items():
            target = getattr(self, f"{port}_r_data")
            if config.banks == 1:
                m.d.comb += target.eq(read_data[0])
                continue
            answering = Signal(range(config.banks), name=f"{port}_answering", reset_less=True)
            with m.If(en):
                m.d.sync += answering.eq(bank_of(config, address))
            with m.Switch(answering):
                for number, value in enumerate(read_data):
                    with m.Case(number):
                        m.d.comb += target.eq(value)
        return m
