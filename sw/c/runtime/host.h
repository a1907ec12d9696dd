/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime asks of the host. */
#ifndef D1_HOST_H
#define D1_HOST_H

#include <stddef.h>

/* Standard output and standard errors. */
enum { D1_OUTPUT = 1, D1_ERRORS = 2 };

/* Hands text to the host, and waits until it has it. Texts of several threads come one after the other. */
void d1_host_write(int descriptor, const char *text, size_t length);

#endif
