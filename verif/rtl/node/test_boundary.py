# SPDX-License-Identifier: Apache-2.0
"""The node's boundary is fully registered, on its netlist."""

from __future__ import annotations

import pytest

from golden.config import preset
from rtl.export import node_ports
from rtl.node import Node
from verif.formal.netlist import combinational_inputs, outputs_needed_by, unregistered_outputs


@pytest.mark.parametrize("name", ["tiny", "d1"])
def test_every_output_of_a_node_comes_from_a_flip_flop(name: str) -> None:
    assert not unregistered_outputs(Node(preset(name)))


@pytest.mark.parametrize("links", [0b0000, 0b1001])
def test_every_output_of_a_variant_comes_from_a_flip_flop_or_is_constant(links: int) -> None:
    assert not unregistered_outputs(Node(preset("tiny"), links))


def test_nothing_needs_what_a_board_leaves_open_but_for_the_bits_that_tell_of_change() -> None:
    node = Node(preset("nano"))
    outputs = {port.name for port in node_ports(node) if port.direction == "output"}
    left_open = {name for name in outputs if name.startswith(("retire", "late", "vector"))}
    assert outputs_needed_by(node, outputs - left_open) == {"retire0_valid", "vector0_valid"}


def test_no_input_of_a_node_reaches_an_output_without_a_flip_flop() -> None:
    node = Node(preset("tiny"))
    reached = combinational_inputs(node)
    outputs = {port.name for port in node_ports(node) if port.direction == "output"}
    assert reached.keys() == outputs
    assert {output: inputs for output, inputs in reached.items() if inputs} == {}
