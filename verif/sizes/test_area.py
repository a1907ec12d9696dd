# SPDX-License-Identifier: Apache-2.0
"""Areas are sums over modules: equal ones are synthesised once and counted as often as they occur."""

from __future__ import annotations

from collections import Counter

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from verif.sizes.area import KINDS, PARTS, area, core_design, design_of, synthesise
from verif.sizes.grid import Size


class _Register(wiring.Component):
    """Sixteen flip-flops, without a reset."""

    def __init__(self, width: int = 16):
        super().__init__({"d": In(width), "q": Out(width)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.d.sync += self.q.eq(self.d)
        return m


class _Three(wiring.Component):
    """Two registers that are equal, one that is not, and a parity of all."""

    def __init__(self) -> None:
        super().__init__({"d": In(16), "q": Out(1)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        inner = {"grouping0": _Register(), "grouping1": _Register(), "frontend": _Register(8)}
        for name, register in inner.items():
            m.submodules[name] = register
            m.d.comb += register.d.eq(self.d)
        m.d.comb += self.q.eq(Cat(register.q for register in inner.values()).xor())
        return m


class _Extended(wiring.Component):
    """A sum, sign-extended: its cells' outputs alone leave the module, by a port that has no name there."""

    def __init__(self) -> None:
        super().__init__({"d": In(16), "q": Out(32)})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.d.comb += self.q.eq((self.d + 1)[:16].as_signed())
        return m


class _Behind(wiring.Component):
    """A module behind other logic, of which there is more or less."""

    def __init__(self, before: int):
        super().__init__({"d": In(16), "q": Out(32)})
        self.before = before

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        data = self.d
        for _ in range(self.before):
            data = (data * self.d)[:16]
        m.submodules.extended = extended = _Extended()
        m.d.comb += [extended.d.eq(data), self.q.eq(extended.q)]
        return m


def test_modules_are_equal_whatever_else_is_in_the_design() -> None:
    some, more = (design_of(_Behind(before)) for before in (1, 3))
    assert len(some.modules) == len(more.modules) == 2
    shared = some.modules.keys() & more.modules.keys()
    assert len(shared) == 1
    # Sixteen places of a carry chain, with two tables each.
    assert 15 <= synthesise(more, shared.pop())["LUT4"] <= 32


def test_equal_modules_are_one_and_are_counted_as_often_as_they_occur() -> None:
    design = design_of(_Three())
    assert len(design.modules) == 3
    found = {name: synthesise(design, name) for name in design.modules}
    assert sorted(each["FF"] for each in found.values()) == [0, 8, 16]
    parts = area(design, found.__getitem__)
    assert {part: count["FF"] for part, count in parts.items() if count["FF"]} == {"front end": 8, "issue": 32}
    # A parity of forty bits takes thirteen tables of four or a few more, in the module around.
    assert 13 <= parts[list(PARTS)[-1]]["LUT4"] <= 18
    assert all(set(count) == set(KINDS) for count in parts.values())


def test_a_core_has_its_macros_and_register_files_as_boxes_and_modules_in_every_part() -> None:
    design = core_design(Size(1, 8, 1, 1).config)
    assert len(design.boxes) == 5
    parts = area(design, lambda name: Counter({"LUT4": 1}))
    assert all(count["LUT4"] > 0 for count in parts.values())
    # Everything that is instantiated is there, as a module or a box.
    for module in design.modules.values():
        for _, child in module.children:
            assert (child in design.modules) != (child in design.boxes)
