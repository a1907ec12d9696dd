# SPDX-License-Identifier: Apache-2.0
"""What the instructions of Xd1 do to a thread, all of them."""

from __future__ import annotations

from golden.semantics_matrix import MATRIX_SEMANTICS
from golden.semantics_network import NETWORK_SEMANTICS
from golden.semantics_simd import SIMD_SEMANTICS
from golden.semantics_vector import VECTOR_SEMANTICS

#: Semantics by mnemonic.
XD1_SEMANTICS = VECTOR_SEMANTICS | SIMD_SEMANTICS | MATRIX_SEMANTICS | NETWORK_SEMANTICS
