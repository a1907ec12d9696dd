# SPDX-License-Identifier: Apache-2.0
"""Elaboration leaves Python's collector as it was."""

import gc
from collections.abc import Iterator

import pytest

from rtl.elaboration import uncollected


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    if enabled:
        gc.enable()
    else:
        gc.disable()


@pytest.mark.parametrize("enabled", [True, False])
def test_what_was_enabled_is_enabled_again(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_functions_that_raise() -> None:
    @uncollected()
    def fails() -> None:
        assert not gc.isenabled()
        raise KeyError("planned")

    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
        assert gc.isenabled()
