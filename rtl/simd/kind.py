# SPDX-License-Identifier: Apache-2.0
"""What the SIMD unit has to know of an operation."""

import copy

from amaranth.hdl import Module, Signal

from rtl.simd.operations import operation as operation_of

__all__ = ["OperationKind"]


class OperationKind:
    """An operation taken apart, combinationally, from its encoding.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    name : str
        Prefix of the signals.
    op, sub : Value
        As the SIMD unit has them.

    Attributes
    ----------
    operation : low four bits of funct7
    bf16, integer, int16, int8, permutes, converts : the lanes' type, or what it is instead; bitwise operations are integer
    unary : the rs2 field tells which
    compares : the result is a predicate
    selects : it is vsel
    decodes, rounds_pair : converts to FP32; converts of two registers to BF16
    two_passes, iterative, reduces, stochastic
    """

    def __init__(self, m: Module, name: str, op, sub):
        self.operation = operation = op[:4]
        funct3, custom_0 = op[4:7], op[7]

        def flag(flag_name, value):
            signal = Signal(name=f"{name}_{flag_name}")
            m.d.comb += signal.eq(value)
            return signal

        integers = (funct3 >= 3) & (funct3 <= 5)
        bitwise = (funct3 == 6) & (operation < 4)
        self.bf16 = flag("bf16", custom_0 | (funct3 == 2))
        self.int16, self.int8 = flag("int16", ~custom_0 & (funct3 == 4)), flag("int8", ~custom_0 & (funct3 == 5))
        self.integer = flag("integer", ~custom_0 & (integers | bitwise))
        self.permutes = flag("permutes", ~custom_0 & ((funct3 == 7) | ((funct3 == 6) & ~bitwise)))
        self.selects = flag("selects", op == operation_of("vsel"))
        self.converts = flag("converts", ~custom_0 & (funct3 == 1))
        floats = custom_0 | (funct3 == 0) | (funct3 == 2)
        self.unary = flag("unary", (operation == 15) & (floats | integers))
        self.compares = flag("compares", ~custom_0 & (floats | integers) & (operation >= 12) & (operation <= 14))
        self.decodes = flag("decodes", self.converts & ((operation < 2) | (operation[2:] == 1)))
        self.rounds_pair = flag("rounds_pair", self.converts & (operation[1:] == 1))
        self.reduces = flag("reduces", self.unary & (sub >= 7))
        computes = floats & self.unary & (sub >= 1) & (sub <= 3)
        self.iterative = flag("iterative", computes | self.reduces)
        self.two_passes = flag("two_passes", self.bf16 | self.rounds_pair)
        named_stochastic = self.converts & ((operation == 3) | (operation >= 12))
        self.stochastic = flag("stochastic", custom_0 | named_stochastic)

    def held(self, m: Module, when) -> "OperationKind":
        """The same in registers, which are written in cycles in which ``when`` is set."""
        held = copy.copy(self)
        for name, value in vars(self).items():
            register = Signal(len(value), name=f"held_{name}", reset_less=True)
            with m.If(when):
                m.d.sync += register.eq(value)
            setattr(held, name, register)
        return held
