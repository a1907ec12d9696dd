# SPDX-License-Identifier: Apache-2.0
"""The node's SRAM: five readers and two writers on banks of one read and one write port."""

from amaranth import Cat, ClockSignal, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.interfaces import ReadPort, WritePort
from rtl.memory.arbiter import BankArbiter
from rtl.memory.banks import SramArray, bank_of
from rtl.memory.macro import READ_PORTS, WRITE_PORTS, array_signature, holds_writes, macro_name

__all__ = ["Sram"]

#: Bits by which a line is told from one that is being written: few, for the path from a request to its grant.
_COMPARED_BITS = 1


class Sram(wiring.Component):
    """Arbitrates accesses over banks, by :class:`rtl.memory.arbiter.BankArbiter`, and hands those granted to the array.

    Reads and writes do not compete with each other. Grants come in the cycle of the request, read data in the next.

    Where writes are held (:func:`rtl.memory.macro.holds_writes`) there is one write per cycle in all banks together, which
    enters the array in the cycle after its grant. In that cycle reads of its line are not granted, nor of those whose numbers
    have the same low bits, and do not count as conflicts. The network's writes go first, unless a store has lost the cycle
    before.

    Beside a sequential core there is also one read per cycle in all banks together: of the network, else of an instruction,
    else of data. The network never asks in two cycles running, and few instructions are read ahead, so nobody waits for long.
    And there, where writes are held, ``store.grant`` does not wait for ``store.req``, which comes late: it may be set without.

    Parameters
    ----------
    config : NodeConfig
    reference : bool
        Hold the array's reference RTL inside instead of an instance of the macro
        (:func:`rtl.memory.macro.macro_name`), so that the design stands alone.

    Members
    -------
    fetch, scalar, network_read, load1, load0 : In(ReadPort), in this order of priority; a sequential core has ``fetch`` and
        ``load0`` alone
    network_write, store : In(WritePort), in this order of priority
    conflicts : Out(3), requesters that lost a bank in the cycle before
    busy : Out(1), a write enters the array in this cycle that was granted before
    """

    def __init__(self, config: NodeConfig, *, reference: bool = False):
        self.config = config
        self.reference = reference
        super().__init__(
            {
                "fetch": In(ReadPort(config)),
                "scalar": In(ReadPort(config)),
                "network_read": In(ReadPort(config)),
                "load1": In(ReadPort(config)),
                "load0": In(ReadPort(config)),
                "network_write": In(WritePort(config)),
                "store": In(WritePort(config)),
                "conflicts": Out(3),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        readers = dict(zip(READ_PORTS, (self.fetch, self.scalar, self.network_read, self.load1, self.load0), strict=True))
        writers = dict(zip(WRITE_PORTS, (self.network_write, self.store), strict=True))

        array = array_signature(config).flip().create()
        held = holds_writes(config)
        written = self._held_write(m, array, *writers.values()) if held else None

        wants = {
            name: port.req & ~(self.busy & (port.address[:_COMPARED_BITS] == written[:_COMPARED_BITS])) if held else port.req
            for name, port in readers.items()
        }
        if config.core == "sequential":
            losers = self._one_read(m, array, {name: (readers[name], wants[name]) for name in ("network", "fetch", "load0")})
        else:
            losers = self._arbitrate(m, "read", readers, wants)
            for name, port in readers.items():
                m.d.comb += [
                    getattr(array, f"{name}_r_en").eq(port.grant),
                    getattr(array, f"{name}_r_address").eq(port.address),
                    port.data.eq(getattr(array, f"{name}_r_data")),
                ]
        if held:
            losers = Cat(losers, *(port.req & ~port.grant for port in writers.values()))
        else:
            losers = Cat(losers, self._arbitrate(m, "write", writers, {name: port.req for name, port in writers.items()}))
        lost = Signal(len(losers))
        m.d.sync += lost.eq(losers)
        m.d.comb += self.conflicts.eq(sum(lost))

        for name, port in () if held else writers.items():
            m.d.comb += [
                getattr(array, f"{name}_w_en").eq(port.grant),
                getattr(array, f"{name}_w_address").eq(port.address),
                getattr(array, f"{name}_w_mask").eq(port.mask),
                getattr(array, f"{name}_w_data").eq(port.data),
            ]
        if self.reference:
            m.submodules.array = reference = SramArray(config)
            wiring.connect(m, array, reference)
        else:
            pins = {}
            for path, member, value in array_signature(config).flatten(array):
                pins[f"{'i' if member.flow == In else 'o'}_{path[0]}"] = value
            m.submodules.array = Instance(macro_name(config), i_clk=ClockSignal(), **pins)
        return m

    def _arbitrate(self, m, kind, ports, wants):
        """Grants each bank to one of the ports. Returns who loses."""
        arbiter = BankArbiter(len(ports), len(bank_of(self.config, self.fetch.address)))
        m.submodules[f"{kind}_arbiter"] = arbiter
        for index, (name, port) in enumerate(ports.items()):
            m.d.comb += [
                arbiter.request[index].eq(wants[name]),
                arbiter.bank[index].eq(bank_of(self.config, port.address)),
                port.grant.eq(arbiter.grant[index]),
            ]
        return arbiter.lost

    def _one_read(self, m, array, ports):
        """Grants one of the ports, in this order, and reads by the last one's way into the array. Returns who loses.

        Whose address it is does not depend on whether the last one asks, which comes late.
        """
        last = [*ports][-1]
        losers, earlier, address = [], 0, 0
        for name, (port, wants) in reversed(ports.items()):
            address = port.address if name == last else Mux(wants, port.address, address)
        for port, wants in ports.values():
            m.d.comb += [port.grant.eq(wants & ~earlier), port.data.eq(getattr(array, f"{last}_r_data"))]
            losers.append(wants & earlier)
            earlier = earlier | wants
        m.d.comb += [getattr(array, f"{last}_r_en").eq(earlier), getattr(array, f"{last}_r_address").eq(address)]
        return Cat(losers)

    def _held_write(self, m, array, network, store):
        """Takes the write that is granted into a register, and from there into the array. Returns the register's address.

        The network goes first, unless a store has lost the cycle before. What the register takes does not depend on whether
        there is a store, which comes late.
        """
        granted, store_first = Signal(name="write_granted"), Signal()
        asks = 1 if self.config.core == "sequential" else store.req
        m.d.comb += [
            network.grant.eq(network.req & ~store_first),
            store.grant.eq(asks & ~network.grant),
            granted.eq(network.grant | store.req),
        ]
        m.d.sync += [self.busy.eq(granted), store_first.eq(store.req & ~store.grant)]
        port = WRITE_PORTS[0]
        m.d.comb += getattr(array, f"{port}_w_en").eq(self.busy)
        for name in ("address", "mask", "data"):
            entering = getattr(network, name)
            register = Signal.like(entering, name=f"held_{name}", reset_less=True)
            with m.If(granted):
                m.d.sync += register.eq(Mux(network.grant, entering, getattr(store, name)))
            m.d.comb += getattr(array, f"{port}_w_{name}").eq(register)
        return getattr(array, f"{port}_w_address")
