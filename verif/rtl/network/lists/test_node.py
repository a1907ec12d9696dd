# SPDX-License-Identifier: Apache-2.0
"""A node that would have to execute lists is refused, since its hardware cannot yet."""

from __future__ import annotations

import pytest

from golden.config import ConfigError, preset
from rtl.node import Node


def test_a_node_with_lists_is_refused() -> None:
    with pytest.raises(ConfigError, match="lists = 2: no hardware executes list transfers yet, only the model; 0 is allowed"):
        Node(preset("tiny").replace(lists=2))
