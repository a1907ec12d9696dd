# SPDX-License-Identifier: Apache-2.0
"""The core: issue, pipes, registers, thread control, control page."""
