# SPDX-License-Identifier: Apache-2.0
"""What several states of the sequential core do.

Each function adds statements to the module ``m`` in the state that is being described; ``p`` are the core's Parts. Operands of
the datapath are chosen in the cycle before they are used, by the state and the instruction alone: whether the result takes what
becomes of them may come late.
"""

from amaranth.hdl import C, Cat, Mux

from rtl.sequential.scalar import ResultSource

__all__ = ["advance", "advance_b", "choose_rs2", "compute", "end", "end_access", "give_way", "traps"]


def compute(m, p):
    """Let the result register take what the ALU gives."""
    m.d.comb += p.datapath.source.eq(ResultSource.ALU)


def advance(m, p):
    """Choose operands for the pointer after its use, for the next cycle."""
    # What a pointer to a tile in a named format advances by; where there is one, the immediate is 0.
    tile = C(p.config.accumulator_bytes // 4, 16) << p.scale
    m.d.comb += [
        p.datapath.from_rs1.eq(1),
        p.datapath.from_immediate.eq(1),
        p.datapath.extra.eq(Mux(p.decoded.named_format, tile, 0)),
    ]


def advance_b(m, p):
    """Choose operands for the pointer to operand B of a matrix step after its use, for the next cycle."""
    line_bytes = p.config.line_bytes
    m.d.comb += [p.datapath.rs2_parts.eq(~0), p.datapath.step.eq(Mux(p.wide_b, 2 * line_bytes, line_bytes))]


def choose_rs2(m, p):
    """Choose the second operand of a multiplication or division, for the next cycle: of words, their half with its sign."""
    word = p.decoded.word
    m.d.comb += [
        p.datapath.rs2_parts.eq(Cat(C(0b111, 3), ~word)),
        p.datapath.rs2_word.eq(word & ~p.insn[12]),
    ]


def end(m, p):
    """The instruction retires, unless it is injected, and makes room for the next one."""
    m.d.comb += [p.finish.eq(1), p.retire.eq(1)]
    m.next = "READY"


def end_access(m, p):
    """After the last access of an instruction that may advance its pointer, for which operands have been chosen."""
    with m.If(p.decoded.post_rs1):
        compute(m, p)
        m.next = "WRITE"
    with m.Else():
        end(m, p)


def give_way(m, p):
    """What the instruction waits for may never come."""
    with m.If(p.disturbed):
        m.next = "READY"


def traps(m, p, cause, shown=None):
    """Trap; ``shown`` is what mtval gets, and the result register if there is nothing."""
    m.d.sync += p.cause.eq(cause)
    if shown is None:
        m.next = "TRAP"
    else:
        m.d.sync += p.shown.eq(shown)
        m.next = "SHOW"
