# SPDX-License-Identifier: Apache-2.0
"""One library of the macros' C++ for all tests."""

from __future__ import annotations

import pytest

from verif.rtl.macros.library import MacroLibrary


@pytest.fixture(scope="session")
def macros() -> MacroLibrary:
    return MacroLibrary()
