# SPDX-License-Identifier: Apache-2.0
"""The SRAM: banks, their arbitration, and the macro boundary."""
