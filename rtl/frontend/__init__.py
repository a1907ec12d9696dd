# SPDX-License-Identifier: Apache-2.0
"""The front end of a wide core: instruction cache, branch prediction, fetch, decode, instruction queues."""
