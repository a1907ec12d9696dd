# SPDX-License-Identifier: Apache-2.0
"""The front end of the core: instruction cache, branch prediction, fetch, decode, instruction queues."""
