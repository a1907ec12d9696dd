# SPDX-License-Identifier: Apache-2.0
"""Configurations that no node can be made of are refused with one sentence that names what is wrong and what is allowed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from golden.config import PRESETS, ConfigError, NodeConfig, preset


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"threads": 3}, "threads = 3 is not one of 1, 2, 4"),
        ({"threads": "2"}, "threads must be a whole number, not '2'"),
        ({"sram_blocks": 17}, "sram_blocks = 17 is outside of 1 to 16"),
        ({"simd_passes": 16, "line_bytes": 16}, "simd_passes = 16 is more than the 4 units that lines of 16 bytes have"),
        ({"route_bits": 2}, "route_bits = 2 is not one of 0, 3, 4, 5"),
        ({"vector_queue": 3}, "vector_queue = 3 is not one of 0, 2, 4, 8"),
        ({"bank_lines": 65_536}, "do not fit below the control page"),
        ({"core": "serial"}, "core = 'serial' is not one of pipelined, sequential"),
        ({"core": "sequential"}, "threads = 4 is not 1, which is all that a sequential core has"),
        ({"core": "sequential", "threads": 1}, "link_passes = 1 is not 2 or 4, as a sequential core needs it"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        NodeConfig(**changes)


def test_a_field_that_is_not_there_and_an_unknown_preset_are_refused() -> None:
    with pytest.raises(ConfigError, match="a node configuration has no field lanes"):
        preset("tiny").replace(lanes=3)
    with pytest.raises(ConfigError, match="there is no preset 'pico'; presets are d1, medium, small, tiny, nano"):
        preset("pico")


@pytest.mark.parametrize("name", PRESETS)
def test_steps_take_as_many_cycles_as_their_passes_or_twice_as_many(name: str) -> None:
    config = preset(name)
    assert config.matrix_step_cycles == {1: 1, 2: 2, 4: 8}[config.matrix_passes]
    assert (config.core == "sequential") == (name == "nano")


def test_hardware_that_differs_has_another_key() -> None:
    nano = preset("nano")
    assert nano.replace(name="other").key == nano.key
    assert nano.replace(core="pipelined").key != nano.key
