# SPDX-License-Identifier: Apache-2.0
"""Exported Verilog is complete, each module once, and its port table says what the module has."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
from amaranth.hdl import Fragment, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from golden.config import NodeConfig, preset
from rtl.export import TOP, convert_module, export_node, node_ports, port_table
from rtl.matrix.array import MatrixArray, matrix_element_name
from rtl.memory.macro import macro_name
from rtl.node import Node, node_name

TINY = preset("tiny")
CHOICES = [(arithmetic, sram) for arithmetic in ("rtl", "macro") for sram in ("macro", "banks")]


@functools.cache
def exported(arithmetic: str, sram: str) -> dict[str, str]:
    return export_node(TINY, arithmetic, sram)


def modules(files: dict[str, str]) -> list[str]:
    """Modules that are defined."""
    text = "\n".join(text for name, text in files.items() if name.endswith((".v", ".sv")))
    return re.findall(r"^module (\S+?)\s*\(", text, re.M)


def ports_of(text: str, name: str) -> set[str]:
    """Ports of a module."""
    header = re.search(rf"^module {name}\(([^)]*)\);", text, re.M)
    assert header is not None
    return {port.strip() for port in header[1].split(",")}


@pytest.mark.parametrize("arithmetic, sram", CHOICES)
def test_every_module_is_there_once(arithmetic: str, sram: str) -> None:
    files = exported(arithmetic, sram)
    defined = modules(files)
    assert len(defined) == len(set(defined))
    assert TOP in defined
    text = "\n".join(text for name, text in files.items() if name.endswith(".v"))
    instantiated = set(re.findall(r"^  (\\?d1_\S+) \\?\S+ \($", text, re.M))
    assert macro_name(TINY) in instantiated
    assert instantiated <= set(defined)


@pytest.mark.parametrize("arithmetic, sram", CHOICES)
def test_every_file_states_its_licence(arithmetic: str, sram: str) -> None:
    for name, text in exported(arithmetic, sram).items():
        assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n"), name


def test_the_choices_put_different_things_behind_the_macros() -> None:
    assert matrix_element_name(TINY) in modules(exported("rtl", "macro"))
    assert matrix_element_name(TINY) not in modules(exported("macro", "macro"))
    assert "arithmetic.cpp" in exported("macro", "macro")
    assert "arithmetic.cpp" not in exported("rtl", "macro")
    assert "verilator public" in exported("rtl", "macro")[f"{macro_name(TINY)}.sv"]
    assert all("verilator public" not in text for text in exported("rtl", "banks").values())


def test_what_synthesis_reads_is_plain_verilog() -> None:
    files = exported("rtl", "banks")
    assert all(name.endswith(".v") for name in files)
    # An escaped name may be a keyword of SystemVerilog.
    assert not any(re.search(r"(?<!\\)\blogic\b|\balways_", text) for text in files.values())


def test_nothing_in_the_verilog_names_this_machine() -> None:
    for text in exported("rtl", "banks").values():
        assert not re.search(r'src = "|/home/|\.py:', text)


def test_every_process_reads_something_so_that_simulators_run_it() -> None:
    for name, text in exported("rtl", "banks").items():
        processes = re.findall(r"always @\*\n +(?!if|case|begin)\S+ = (.*);", text)
        assert all(re.search(r"[a-z_]\w*|\\\S+", re.sub(r"\d+'[hdb]\w+", "", expression)) for expression in processes), name


def test_the_port_table_lists_the_modules_ports() -> None:
    ports = ports_of(exported("rtl", "macro")[f"{TOP}.v"], TOP)
    rows = re.findall(r"^\| `(\w+)` \| (input|output) \| (\d+) \| \S.* \|$", port_table(TINY), re.M)
    assert {name for name, _, _ in rows} == ports
    by_name = {port.name: port for port in node_ports(Node(TINY))}
    for name, direction, bits in rows:
        if name not in ("clk", "rst"):
            assert (direction, int(bits)) == (by_name[name].direction, by_name[name].bits)


class Nothing(wiring.Component):
    """A node that is elaborated at once."""

    def __init__(self, config: NodeConfig):
        super().__init__({"idle": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        return Module()


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="arithmetic = 'fast' is not one of rtl, macro"):
        export_node(TINY, "fast", node=Nothing)
    with pytest.raises(ValueError, match="sram = 'dram' is not one of macro, banks"):
        export_node(TINY, "rtl", "dram", node=Nothing)


def test_variants_share_every_module_but_their_own() -> None:
    full = exported("rtl", "banks")
    ports = ports_of(full[f"{TOP}.v"], TOP)
    for links in (0b0110, 0b1000):
        name = node_name(links)
        files = export_node(TINY, "rtl", "banks", links=links)
        assert files.keys() - full.keys() == {f"{name}.v"}
        assert all(files[other] == full[other] for other in files.keys() & full.keys())
        assert modules(files).count(name) == 1
        assert TOP not in modules(files)
        assert ports_of(files[f"{name}.v"], name) == ports
    assert node_name(0b1111) == TOP
    assert node_name(0b1010) == "d1_node_a"


def test_only_the_node_has_variants() -> None:
    with pytest.raises(ValueError, match=r"links = 3, observe = False: only rtl\.node\.Node has variants"):
        export_node(TINY, links=3, node=Node)


def test_a_module_that_nothing_provides_is_named() -> None:
    other = TINY.replace(accumulators=8)

    def node_of_another_configuration(config: NodeConfig) -> MatrixArray:
        return MatrixArray(other)

    with pytest.raises(LookupError, match=matrix_element_name(other)):
        export_node(TINY, node=node_of_another_configuration)


def test_convert_module_names_the_module() -> None:
    array = MatrixArray(TINY)
    assert "module some_name(" in convert_module(array, Fragment.get(array, None), "some_name")
