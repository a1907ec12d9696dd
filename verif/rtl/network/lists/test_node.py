# SPDX-License-Identifier: Apache-2.0
"""Nodes that cannot execute lists are refused."""

from __future__ import annotations

import pytest

from golden.config import ConfigError, NodeConfig, preset
from rtl.node import Node

TINY = preset("tiny").replace(lists=2)


@pytest.mark.parametrize(
    "config, core, passes",
    [(TINY.replace(link_passes=2), "pipelined", 2), (preset("nano").replace(lists=8), "sequential", 4)],
)
def test_a_node_that_cannot_execute_lists_is_refused(config: NodeConfig, core: str, passes: int) -> None:
    message = f"nodes with a {core} core and link_passes = {passes} execute no list transfers"
    with pytest.raises(ConfigError, match=f"lists = {config.lists}: {message}; take 0, or a pipelined core and link_passes = 1"):
        Node(config)
