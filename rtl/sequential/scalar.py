# SPDX-License-Identifier: Apache-2.0
"""Scalar registers, arithmetic and the result register of the sequential core."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.core.decoder import AluOp, DecodedLayout

__all__ = ["STEP_BITS", "ResultSource", "ScalarDatapath"]

#: Bits of ``step``: it advances a pointer by two lines at most.
STEP_BITS = 8

_BYTE_SHIFT = 8


class ResultSource(enum.Enum, shape=3):
    """What the result register takes at the end of the cycle."""

    KEEP = 0
    ALU = 1
    #: The eight bytes of a line that the result is the address of.
    LOADED = 2
    OUTSIDE = 3
    #: A step of ``shift``.
    SHIFTED = 4


class ScalarDatapath(wiring.Component):
    """The scalar side of one instruction at a time: two register reads, one operation, one result, one register write.

    Addresses, results, values of CSRs and targets of jumps are all in the result register, one after the other. It is shifted
    by eight places or by one per cycle, to the left first and then to the right; that also extends what has been loaded.

    Members
    -------
    insn : In(32), decoded : In(DecodedLayout), pc : In(64)
        The instruction.
    rs1_number, rs2_number : In(5); rs1, rs2 : Out(64)
        Registers and, one cycle later, what they hold. Block RAM is slow.
    from_rs1, from_pc, from_result : In(1); step : In(8)
        Operand A of the next cycle: one of these, or ``step``.
    from_immediate : In(1), rs2_parts : In(4), rs2_word : In(1), extra : In(32)
        Operand B of the next cycle: the immediate; rs2, its bits 0 to 7, 8 to 15, 16 to 31 and 32 to 63 on their own, or its
        low half as a signed word; ``extra``. Only one of them is asked for, or ``extra`` beside an immediate of 0.
    plain : In(1), subtracts : In(1)
        The sum of A and B, or their difference, instead of what the instruction asks for. Without ``plain`` an instruction whose
        ALU function is NONE gets the sum too, sign-extended if it is one of words.
    carry, a_sign, b_sign : Out(1)
        Of that sum, or that of A and the complement of B and one; and of its operands.
    source : In(ResultSource), outside : In(64)
    result : Out(64), zero : Out(1)
        The result register, and whether it is 0.
    less : Out(1)
        A was below B in the cycle before, as the branch compares them.
    set_shift : In(1), set_extension : In(1)
        Set the places to shift by at the end of the cycle: as a shift instruction asks, by operand B; or as a load does, of
        the low bits of the address that is the result. ``shifts`` : Out(1) says that there are places left.
    shift_left : In(1), fill : In(1)
        If there are none, a step goes one place to the left, or to the right for a multiplication; ``fill`` comes in.
    load_line : In(line)
        A line as SRAM gives it.
    write : In(1), number : In(5)
        Write ``result`` into a register at the end of the cycle.
    clear : In(1), clear_number : In(5)
        Clear a register at the end of the cycle, in which there is no write.
    """

    def __init__(self, line_bytes: int):
        self.line_bytes = line_bytes
        super().__init__(
            {
                "insn": In(32),
                "decoded": In(DecodedLayout()),
                "pc": In(64),
                "rs1_number": In(5),
                "rs2_number": In(5),
                "rs1": Out(64),
                "rs2": Out(64),
                "from_rs1": In(1),
                "from_pc": In(1),
                "from_result": In(1),
                "step": In(STEP_BITS),
                "from_immediate": In(1),
                "rs2_parts": In(4),
                "rs2_word": In(1),
                "extra": In(32),
                "plain": In(1),
                "subtracts": In(1),
                "carry": Out(1),
                "a_sign": Out(1),
                "b_sign": Out(1),
                "source": In(ResultSource),
                "outside": In(64),
                "result": Out(64),
                "zero": Out(1),
                "less": Out(1),
                "set_shift": In(1),
                "set_extension": In(1),
                "shifts": Out(1),
                "shift_left": In(1),
                "fill": In(1),
                "load_line": In(8 * line_bytes),
                "write": In(1),
                "number": In(5),
                "clear": In(1),
                "clear_number": In(5),
            }
        )

    def elaborate(self, platform):
        m = Module()
        decoded, funct3, result = self.decoded, self.insn[12:15], self.result

        # Nobody reads a register for use in the cycle in which it is written.
        m.submodules.registers = memory = Memory(shape=64, depth=32, init=[], attrs={"ram_style": "block", "no_rw_check": 1})
        write = memory.write_port()
        m.d.comb += [
            write.en.eq((self.write & self.number.any()) | self.clear),
            write.addr.eq(Mux(self.clear, self.clear_number, self.number)),
            write.data.eq(Mux(self.clear, 0, result)),
        ]
        for number, value in ((self.rs1_number, self.rs1), (self.rs2_number, self.rs2)):
            read = memory.read_port()
            m.d.comb += [read.addr.eq(number), value.eq(read.data)]

        sign = (self.from_immediate & decoded.immediate[31]) | (self.rs2_word & self.rs2[31])
        gates = Cat(self.rs2_parts[part].replicate(bits) for part, bits in enumerate((8, 8, 16, 32)))
        a, b = Signal(64, reset_less=True), Signal(64, reset_less=True)
        m.d.sync += [
            a.eq(
                (self.rs1 & self.from_rs1.replicate(64))
                | (self.pc & self.from_pc.replicate(64))
                | (result & self.from_result.replicate(64))
                | self.step
            ),
            b.eq(
                Cat(decoded.immediate & self.from_immediate.replicate(32), sign.replicate(32)) | (self.rs2 & gates) | self.extra
            ),
        ]

        op, plain = decoded.alu, self.plain
        compares = (op == AluOp.SLT) | (op == AluOp.SLTU)
        subtract, total = Signal(), Signal(65)
        m.d.comb += [
            subtract.eq(self.subtracts | (~plain & (compares | (op == AluOp.SUB)))),
            total.eq(a + (b ^ subtract.replicate(64)) + subtract),
            self.carry.eq(total[64]),
            self.a_sign.eq(a[63]),
            self.b_sign.eq(b[63]),
        ]
        unsigned = Mux(decoded.branch, funct3[1], op == AluOp.SLTU)
        less = Signal()
        m.d.comb += less.eq(Mux((a[63] ^ b[63]) & ~unsigned, a[63], ~total[64]))
        m.d.sync += self.less.eq(less)

        calculated = Signal(64)
        with m.If(plain | (op == AluOp.ADD) | (op == AluOp.SUB) | (op == AluOp.NONE)):
            word = decoded.word & ~plain
            m.d.comb += calculated.eq(Cat(total[:32], Mux(word, total[31].replicate(32), total[32:64])))
        with m.Else(), m.Switch(op):
            with m.Case(AluOp.XOR):
                m.d.comb += calculated.eq(a ^ b)
            with m.Case(AluOp.OR):
                m.d.comb += calculated.eq(a | b)
            with m.Case(AluOp.AND):
                m.d.comb += calculated.eq(a & b)
            with m.Case(AluOp.SLT, AluOp.SLTU):
                m.d.comb += calculated.eq(less)
            with m.Default():
                # What is to be shifted.
                m.d.comb += calculated.eq(a)

        shifted = self._shifter(m, b)
        m.d.comb += self.zero.eq(~result.any())
        with m.Switch(self.source):
            with m.Case(ResultSource.ALU):
                # The lowest bit of an address to jump to is dropped.
                m.d.sync += result.eq(Cat(calculated[0] & ~decoded.jalr, calculated[1:]))
            with m.Case(ResultSource.LOADED):
                eights = (self.line_bytes // 8).bit_length() - 1
                m.d.sync += result.eq(self.load_line.word_select(result[3 : 3 + eights], 64))
            with m.Case(ResultSource.OUTSIDE):
                m.d.sync += result.eq(self.outside)
            with m.Case(ResultSource.SHIFTED):
                m.d.sync += result.eq(shifted)
        return m

    def _shifter(self, m, b):
        """The result after a step of the shift that is under way.

        What is narrower than 64 bits goes to the upper end first, so that coming back extends it.
        """
        decoded, funct3, result = self.decoded, self.insn[12:15], self.result
        left, right, arithmetic = Signal(6), Signal(6), Signal()
        amount, word = Cat(b[:5], b[5] & ~decoded.word), decoded.word
        upper_half = Cat(amount[:5], word)
        to_left = decoded.alu == AluOp.SLL
        with m.If(self.set_shift):
            m.d.sync += [
                left.eq(Mux(to_left, Mux(word, upper_half, amount), word << 5)),
                right.eq(Mux(to_left, word << 5, Mux(word, upper_half, amount))),
                # The sign of a word that is not shifted is that of the result.
                arithmetic.eq((decoded.alu == AluOp.SRA) | (word & (to_left | ~amount.any()))),
            ]
        with m.Elif(self.set_extension):
            # Bytes above the last one that is loaded.
            last = Signal(3)
            m.d.comb += last.eq(result[:3] | Cat(funct3[:2].any(), funct3[1], funct3[:2].all()))
            with m.Switch(funct3[:2]):
                for size, bytes_ in enumerate((1, 2, 4, 8)):
                    with m.Case(size):
                        m.d.sync += right.eq(8 * (8 - bytes_))
            m.d.sync += [left.eq(Cat(C(0, 3), ~last)), arithmetic.eq(~funct3[2])]
        with m.Elif(left.any()):
            m.d.sync += left.eq(Mux(left[3:].any(), left - _BYTE_SHIFT, left - 1))
        with m.Elif(right.any()):
            m.d.sync += right.eq(Mux(right[3:].any(), right - _BYTE_SHIFT, right - 1))
        m.d.comb += self.shifts.eq(left.any() | right.any())

        shifted, fill = Signal(64), Mux(decoded.multiply, self.fill, arithmetic & result[-1])
        with m.If(left[3:].any()):
            m.d.comb += shifted.eq(result << _BYTE_SHIFT)
        with m.Elif(left.any() | self.shift_left):
            m.d.comb += shifted.eq(Cat(self.fill, result))
        with m.Elif(right[3:].any()):
            m.d.comb += shifted.eq(Cat(result[_BYTE_SHIFT:], fill.replicate(_BYTE_SHIFT)))
        with m.Else():
            m.d.comb += shifted.eq(Cat(result[1:], fill))
        return shifted
