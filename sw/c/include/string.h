/* SPDX-License-Identifier: Apache-2.0 */
/* What compilers call by themselves, and lengths of strings. */
#ifndef D1_STRING_H
#define D1_STRING_H

#include <stddef.h>

void *memcpy(void *restrict target, const void *restrict source, size_t size);
void *memmove(void *target, const void *source, size_t size);
void *memset(void *target, int value, size_t size);
int memcmp(const void *one, const void *other, size_t size);
size_t strlen(const char *text);
int strcmp(const char *one, const char *other);

#endif
