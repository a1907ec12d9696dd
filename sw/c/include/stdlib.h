/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a program. */
#ifndef D1_STDLIB_H
#define D1_STDLIB_H

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1

/* Ends the program of this node with all its threads. */
void exit(int code) __attribute__((noreturn));
/* The same with exit code 134, as for a signal. */
void abort(void) __attribute__((noreturn));

#endif
