/* SPDX-License-Identifier: Apache-2.0 */
/* Functions on bytes and strings. Copies and fills go by double words where addresses allow. */
#include <stdint.h>
#include <string.h>

/* GCC would make calls of these functions out of their own loops. */
#if defined(__GNUC__) && !defined(__clang__)
#define OWN_LOOPS __attribute__((optimize("no-tree-loop-distribute-patterns")))
#else
#define OWN_LOOPS
#endif

/* Eight bytes, whatever their type is elsewhere. */
typedef uint64_t __attribute__((may_alias)) Word;

OWN_LOOPS void *memcpy(void *restrict target, const void *restrict source, size_t size)
{
    return memmove(target, source, size);
}

OWN_LOOPS void *memmove(void *target, const void *source, size_t size)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    int by_words = (((uintptr_t)to | (uintptr_t)from | size) & 7) == 0;

    if ((uintptr_t)to - (uintptr_t)from >= size) {
        if (by_words)
            for (; size; size -= 8, to += 8, from += 8)
                *(Word *)to = *(const Word *)from;
        else
            for (; size; size--)
                *to++ = *from++;
    } else {
        /* The target begins within the source, whose end goes first. */
        if (by_words)
            for (; size; size -= 8)
                *(Word *)(to + size - 8) = *(const Word *)(from + size - 8);
        else
            for (; size; size--)
                to[size - 1] = from[size - 1];
    }
    return target;
}

OWN_LOOPS void *memset(void *target, int value, size_t size)
{
    unsigned char *to = target;
    Word word = (unsigned char)value * 0x0101010101010101ull;

    for (; size && (uintptr_t)to & 7; size--)
        *to++ = (unsigned char)value;
    for (; size >= 8; size -= 8, to += 8)
        *(Word *)to = word;
    for (; size; size--)
        *to++ = (unsigned char)value;
    return target;
}

int memcmp(const void *one, const void *other, size_t size)
{
    const unsigned char *left = one, *right = other;

    for (; size; size--, left++, right++)
        if (*left != *right)
            return *left - *right;
    return 0;
}

OWN_LOOPS size_t strlen(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    return (size_t)(end - text);
}

int strcmp(const char *one, const char *other)
{
    for (; *one && *one == *other; one++, other++)
        ;
    return (unsigned char)*one - (unsigned char)*other;
}
