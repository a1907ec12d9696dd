# SPDX-License-Identifier: Apache-2.0
"""C on nodes: start-up, linker script, headers and the functions that C programs expect."""
