# SPDX-License-Identifier: Apache-2.0
"""XVFI: what Xd1 instructions write, and every access to memory, with the numbers that RVFI gives the instructions."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.grouping import PIPES
from rtl.core.observation.ports import xvfi_ports

__all__ = ["WriterLayout", "Xvfi"]

#: Pipes whose instructions write vector registers.
_VECTOR_PIPES = ("load", "store", "simd")


class WriterLayout(data.StructLayout):
    """An instruction that retires, and what it writes of Xd1's registers: ``number`` is its field rd."""

    def __init__(self):
        super().__init__({"valid": 1, "thread": 2, "number": 5, "vector": 1, "predicate": 1, "accumulator": 1})


class Xvfi(wiring.Component):
    """Keeps the numbers of instructions whose results are to come, and puts events to the ports, a cycle later.

    A vector or predicate register that waits for its result has one writer, and so does an accumulator whose operation waits
    for operands: numbers are kept by register.

    Members
    -------
    writers : In(6 x WriterLayout), orders : In(6 x 64)
        What retires, by pipe, with its number; in the pipes of SIMD and matrix operations, what executes.
    first : In(6)
        Pipes whose instruction is in its first cycle in X, or has not committed since, or whose number is there at any time.
    events : In, by port of XVFI
        What happens in this cycle, as the port is to show it. ``order`` is that of the pipe in X for reads of the load pipe and
        for writes and requests; for all else it is found here, and ignored.
    due : In({valid, sends, accumulator, thread})
        The second step of an instruction has the read ports of the matrix pipe; and it is passed on in this cycle.
    ports : Out, by port of XVFI
        Flip-flops.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        self.layouts = {port: data.StructLayout(fields) for port, fields in xvfi_ports(config).items()}
        all_ports = data.StructLayout(self.layouts)
        super().__init__(
            {
                "writers": In(data.ArrayLayout(WriterLayout(), len(PIPES))),
                "orders": In(data.ArrayLayout(64, len(PIPES))),
                "first": In(len(PIPES)),
                "events": In(all_ports),
                "due": In(data.StructLayout({"valid": 1, "sends": 1, "accumulator": 3, "thread": 2})),
                "ports": Out(all_ports),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads = self.config.threads

        # What is in X has committed in an earlier cycle, or has the number that comes next.
        in_x = []
        for number, name in enumerate(PIPES):
            held, order = Signal(64, name=f"held_{name}", reset_less=True), Signal(64, name=f"order_{name}")
            m.d.comb += order.eq(Mux(self.first[number], self.orders[number], held))
            m.d.sync += held.eq(order)
            in_x.append(order)

        def table(name, registers, pipes, kind):
            """Numbers by register; the writers of some pipes enter theirs."""
            m.submodules[name] = memory = Memory(shape=64, depth=threads * registers, init=[])
            for pipe in pipes:
                number = PIPES.index(pipe)
                writer, port = self.writers[number], memory.write_port()
                m.d.comb += [
                    port.en.eq(writer.valid & writer[kind]),
                    port.addr.eq(address(registers, writer.number, writer.thread)),
                    port.data.eq(self.orders[number]),
                ]
            return memory

        def address(registers, number, thread):
            return Cat(number[: ceil_log2(registers)], thread)[: ceil_log2(threads * registers)]

        def kept(memory, registers, number, thread):
            port = memory.read_port(domain="comb")
            m.d.comb += port.addr.eq(address(registers, number, thread))
            return port.data

        accumulators = self.config.accumulators
        vectors = table("vectors", 32, _VECTOR_PIPES, "vector")
        predicates = table("predicates", 8, ("simd",), "predicate")
        steps = table("steps", accumulators, ("matrix",), "accumulator")

        due, events = self.due, self.events
        of_due = kept(steps, accumulators, due.accumulator, due.thread)
        of_matrix = in_x[PIPES.index("matrix")]
        orders = {
            "vector0": kept(vectors, 32, events.vector0.vd, events.vector0.thread),
            "vector1": kept(vectors, 32, events.vector1.vd, events.vector1.thread),
            "predicate": kept(predicates, 8, events.predicate.pd, events.predicate.thread),
            "read0": in_x[PIPES.index("load")],
            "read1": Mux(due.valid, of_due, of_matrix),
            "read2": Mux(due.valid, of_due, of_matrix),
            "write": in_x[PIPES.index("store")],
            "send": in_x[PIPES.index("store")],
            "matrix": self._passed_on(m, Mux(due.sends, of_due, of_matrix)),
        }
        for name, order in orders.items():
            event, port = events[name], self.ports[name]
            shown = Signal(self.layouts[name], name=f"shown_{name}")
            m.d.comb += [shown.eq(event), shown.order.eq(order)]
            if name.startswith("read"):
                shown = self._with_line(m, name, shown, event.data)
            m.d.sync += port.valid.eq(shown.valid)
            with m.If(shown.valid):
                m.d.sync += port.eq(shown)
        return m

    def _with_line(self, m, name, granted, line):
        """A read, in the cycle in which its line is there."""
        read, complete = (Signal(self.layouts[name], name=f"{stage}_{name}") for stage in ("granted", "complete"))
        m.d.sync += read.eq(granted)
        m.d.comb += [complete.eq(read), complete.data.eq(line)]
        return complete

    @staticmethod
    def _passed_on(m, order):
        """The number of the operation that enters the matrix array: it passes M and the operand registers."""
        for stage in ("in_m", "entering"):
            following = Signal(64, name=f"order_{stage}", reset_less=True)
            m.d.sync += following.eq(order)
            order = following
        return order
