# SPDX-License-Identifier: Apache-2.0
"""Debug mode of the sequential core: what is asked of the pipelined one, and what it does in its own states."""

from __future__ import annotations

from typing import Any

import pytest

from golden.config import preset
from scripts.simulator import SimulatorLibrary, build
from verif.rtl.node.node_bench import WIDE_SEQUENTIAL
from verif.rtl.node.test_debug import (
    test_a_debugger_gets_what_it_asks_for,
    test_a_start_or_halt_ends_an_injected_gather_wherever_it_is,
    test_a_stop_finds_a_thread_of_which_everything_is_under_way_between_two_instructions,
    test_a_stop_in_any_cycle_around_an_end_leaves_the_thread_stopped_where_it_is,
    test_a_thread_stopped_in_any_cycle_is_where_its_retired_instructions_have_brought_it,
    test_every_step_of_a_random_program_is_that_of_the_golden_node,
    test_injected_instructions_do_what_those_of_the_golden_node_do,
    test_nothing_depends_on_whether_stopped_nodes_are_evaluated,
    test_whatever_comes_a_thread_can_be_stopped_and_used_afterwards,
)

# These run here with the nodes of ``library``.
__all__ = [
    "test_a_debugger_gets_what_it_asks_for",
    "test_a_start_or_halt_ends_an_injected_gather_wherever_it_is",
    "test_a_stop_finds_a_thread_of_which_everything_is_under_way_between_two_instructions",
    "test_a_stop_in_any_cycle_around_an_end_leaves_the_thread_stopped_where_it_is",
    "test_a_thread_stopped_in_any_cycle_is_where_its_retired_instructions_have_brought_it",
    "test_every_step_of_a_random_program_is_that_of_the_golden_node",
    "test_injected_instructions_do_what_those_of_the_golden_node_do",
    "test_nothing_depends_on_whether_stopped_nodes_are_evaluated",
    "test_whatever_comes_a_thread_can_be_stopped_and_used_afterwards",
]

CONFIGS = {"nano": preset("nano"), "wide-sequential": WIDE_SEQUENTIAL}


@pytest.fixture(scope="module", params=CONFIGS)
def library(request: Any) -> SimulatorLibrary:
    return build(CONFIGS[request.param])
