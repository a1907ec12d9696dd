# SPDX-License-Identifier: Apache-2.0
"""The netlist checks find what they look for, and only that."""

from __future__ import annotations

from typing import Any

from amaranth import ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from verif.formal.netlist import combinational_inputs, outputs_needed_by, registered_outputs, unregistered_outputs


class Inner(wiring.Component):
    """A register and a gate, one level down."""

    def __init__(self) -> None:
        super().__init__({"value": In(4), "held": Out(4), "both": Out(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        with m.If(self.value[0]):
            m.d.sync += self.held.eq(self.value)
        m.d.comb += self.both.eq(self.held & self.value)
        return m


class Outer(wiring.Component):
    """Outputs of every kind."""

    def __init__(self) -> None:
        super().__init__(
            {
                "value": In(4),
                "other": In(1),
                "held": Out(4),
                "constant": Out(2),
                "through": Out(1),
                "gate": Out(4),
                "last_bit_is_logic": Out(5),
                "behind_macro": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.inner = inner = Inner()
        macro = Signal()
        m.submodules.macro = Instance("macro", i_clk=ClockSignal(), i_a=self.other, o_b=macro)
        m.d.comb += [
            inner.value.eq(self.value),
            self.held.eq(inner.held),
            self.constant.eq(2),
            self.through.eq(self.other),
            self.gate.eq(inner.both),
            self.last_bit_is_logic[:4].eq(inner.held),
            self.last_bit_is_logic[4].eq(inner.held.any()),
            self.behind_macro.eq(macro),
        ]
        return m


def test_only_flip_flops_and_constants_count_as_registered() -> None:
    assert registered_outputs(Outer()) == {"held", "constant"}


def test_what_is_not_registered_is_named_with_its_driver() -> None:
    found = unregistered_outputs(Outer())
    assert found.keys() == {"through", "gate", "last_bit_is_logic", "behind_macro"}
    assert found["through"] == "bit 0 comes from input other"
    assert found["last_bit_is_logic"].startswith("bit 4 comes from $")
    assert found["behind_macro"] == "bit 0 comes from macro"


def test_combinational_paths_stop_at_flip_flops_and_pass_macros() -> None:
    found = combinational_inputs(Outer())
    assert found["held"] == frozenset()
    assert found["gate"] == {"value"}
    assert found["through"] == {"other"}
    assert found["last_bit_is_logic"] == frozenset()
    assert found["behind_macro"] >= {"other"}


def test_outputs_that_others_depend_on_are_found_through_gates_registers_and_macros() -> None:
    assert outputs_needed_by(Outer(), ["gate"]) == {"held", "last_bit_is_logic"}
    assert outputs_needed_by(Outer(), ["behind_macro"]) == {"through"}
    assert outputs_needed_by(Outer(), ["constant", "through"]) == frozenset()
