/* SPDX-License-Identifier: Apache-2.0 */
/* Output through the host, as far as nodes have it. */
#ifndef D1_STDIO_H
#define D1_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#define EOF (-1)

/*
 * Conversions: d i u x X o c s p %, with flags - 0 + space #, width, precision and the lengths hh h l ll j z t; width and
 * precision may be *. Any other is written as it stands, and takes no argument. There are no floating-point ones.
 */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
int snprintf(char *target, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *target, size_t size, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));
int puts(const char *text);
int putchar(int character);

#endif
