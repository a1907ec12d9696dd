/* SPDX-License-Identifier: Apache-2.0 */
/* Formatted output; include/stdio.h says which conversions there are. */
#include "host.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BUFFER_BYTES = 128, OCTAL_DIGITS = 22 };

/* Where characters go. Of a target in memory what does not fit is only counted; any other is emptied when it is full. */
struct sink {
    char *start, *next, *end;
    size_t count;
    int to_host;
};

/* What stands between % and the letter. */
struct form {
    int left, zero, plus, space, alternate;
    int width, precision; /* precision is -1 if there is none */
    int bytes;
};

static void flush(struct sink *sink)
{
    d1_host_write(D1_OUTPUT, sink->start, (size_t)(sink->next - sink->start));
    sink->next = sink->start;
}

static void put(struct sink *sink, char character)
{
    sink->count++;
    if (sink->next == sink->end) {
        if (!sink->to_host)
            return;
        flush(sink);
    }
    *sink->next++ = character;
}

static void put_all(struct sink *sink, const char *text, size_t length)
{
    while (length--)
        put(sink, *text++);
}

static void put_many(struct sink *sink, char character, int count)
{
    while (count-- > 0)
        put(sink, character);
}

/* Text in a field of the form's width. */
static void put_text(struct sink *sink, const char *text, size_t length, const struct form *form)
{
    int padding = form->width - (int)length;

    if (!form->left)
        put_many(sink, ' ', padding);
    put_all(sink, text, length);
    if (form->left)
        put_many(sink, ' ', padding);
}

/* Digits of a number, without leading zeros, into room for OCTAL_DIGITS; returns how many. `base` is 8, 10 or 16. */
static int to_digits(char *digits, uint64_t value, unsigned base, char ten)
{
    static const uint64_t powers[] = {
        10000000000000000000u, 1000000000000000000u, 100000000000000000u, 10000000000000000u, 1000000000000000u,
        100000000000000u, 10000000000000u, 1000000000000u, 100000000000u, 10000000000u, 1000000000u, 100000000u, 10000000u,
        1000000u, 100000u, 10000u, 1000u, 100u, 10u, 1u,
    };
    unsigned bits = base == 8 ? 3 : 4, digit;
    int count = 0;

    if (base == 10) {
        /* Subtracting is faster than a division of 64 bits for each digit. */
        for (size_t place = 0; place < sizeof(powers) / sizeof(powers[0]); place++) {
            for (digit = 0; value >= powers[place]; digit++)
                value -= powers[place];
            if (digit != 0 || count != 0)
                digits[count++] = (char)('0' + digit);
        }
        return count;
    }
    for (uint64_t rest = value; rest != 0; rest >>= bits)
        count++;
    for (int place = count; place-- > 0; value >>= bits) {
        digit = (unsigned)value & (base - 1);
        digits[place] = (char)(digit < 10 ? '0' + digit : ten + digit - 10);
    }
    return count;
}

/* A number in a field of the form's width; the prefix (a sign, or 0x) comes before zeros. */
static void put_number(struct sink *sink, uint64_t value, unsigned base, char ten, const char *prefix, const struct form *form)
{
    char digits[OCTAL_DIGITS];
    int count = to_digits(digits, value, base, ten);
    int zeros = (form->precision < 0 ? 1 : form->precision) - count;
    int padding;

    if (base == 8 && form->alternate && zeros < 1)
        zeros = 1;
    if (zeros < 0)
        zeros = 0;
    padding = form->width - (int)strlen(prefix) - zeros - count;
    if (form->zero && !form->left && form->precision < 0 && padding > 0) {
        zeros += padding;
        padding = 0;
    }
    if (!form->left)
        put_many(sink, ' ', padding);
    put_all(sink, prefix, strlen(prefix));
    put_many(sink, '0', zeros);
    put_all(sink, digits, (size_t)count);
    if (form->left)
        put_many(sink, ' ', padding);
}

static int64_t signed_argument(va_list *arguments, int bytes)
{
    int64_t value = bytes == 8 ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);

    return bytes == 1 ? (signed char)value : bytes == 2 ? (short)value : value;
}

static uint64_t unsigned_argument(va_list *arguments, int bytes)
{
    uint64_t value = bytes == 8 ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);

    return bytes == 1 ? (unsigned char)value : bytes == 2 ? (unsigned short)value : value;
}

/* A number of the format, or * for an argument. */
static int take_number(const char **at, va_list *arguments)
{
    int value = 0;

    if (**at == '*') {
        ++*at;
        return va_arg(*arguments, int);
    }
    for (; **at >= '0' && **at <= '9'; ++*at)
        value = 10 * value + (**at - '0');
    return value;
}

/* Reads flags, width, precision and length; returns where the letter is. */
static const char *take_form(const char *at, struct form *form, va_list *arguments)
{
    *form = (struct form){.precision = -1, .bytes = 4};
    for (;; at++) {
        if (*at == '-')
            form->left = 1;
        else if (*at == '0')
            form->zero = 1;
        else if (*at == '+')
            form->plus = 1;
        else if (*at == ' ')
            form->space = 1;
        else if (*at == '#')
            form->alternate = 1;
        else
            break;
    }
    form->width = take_number(&at, arguments);
    if (form->width < 0) {
        form->left = 1;
        form->width = -form->width;
    }
    if (*at == '.') {
        at++;
        form->precision = take_number(&at, arguments);
    }
    for (; *at == 'h'; at++)
        form->bytes /= 2;
    for (; *at == 'l' || *at == 'j' || *at == 'z' || *at == 't'; at++)
        form->bytes = 8;
    return at;
}

/* One conversion, from behind its % on; returns what comes after it. */
static const char *convert(struct sink *sink, const char *start, va_list *arguments)
{
    struct form form;
    const char *letter = take_form(start, &form, arguments);
    const char *text;
    int64_t value;
    size_t length;
    char character;

    switch (*letter) {
    case 'd':
    case 'i':
        value = signed_argument(arguments, form.bytes);
        text = value < 0 ? "-" : form.plus ? "+" : form.space ? " " : "";
        put_number(sink, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 'a', text, &form);
        break;
    case 'u':
        put_number(sink, unsigned_argument(arguments, form.bytes), 10, 'a', "", &form);
        break;
    case 'o':
        put_number(sink, unsigned_argument(arguments, form.bytes), 8, 'a', "", &form);
        break;
    case 'x':
    case 'X':
        value = (int64_t)unsigned_argument(arguments, form.bytes);
        text = !form.alternate || value == 0 ? "" : *letter == 'x' ? "0x" : "0X";
        put_number(sink, (uint64_t)value, 16, *letter == 'x' ? 'a' : 'A', text, &form);
        break;
    case 'p':
        put_number(sink, (uint64_t)va_arg(*arguments, void *), 16, 'a', "0x", &form);
        break;
    case 'c':
        character = (char)va_arg(*arguments, int);
        put_text(sink, &character, 1, &form);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        if (text == NULL)
            text = "(null)";
        /* Without its end, if the precision comes first. */
        for (length = 0; (form.precision < 0 || length < (size_t)form.precision) && text[length] != '\0';)
            length++;
        put_text(sink, text, length, &form);
        break;
    case '%':
        put(sink, '%');
        break;
    default:
        put_all(sink, start - 1, (size_t)(letter - start) + 1);
        return letter;
    }
    return letter + 1;
}

static int print(struct sink *sink, const char *format, va_list given)
{
    va_list arguments;

    va_copy(arguments, given);
    while (*format != '\0') {
        if (*format == '%')
            format = convert(sink, format + 1, &arguments);
        else
            put(sink, *format++);
    }
    va_end(arguments);
    return (int)sink->count;
}

int vprintf(const char *format, va_list arguments)
{
    char buffer[BUFFER_BYTES];
    struct sink sink = {buffer, buffer, buffer + BUFFER_BYTES, 0, 1};
    int count = print(&sink, format, arguments);

    if (sink.next != sink.start)
        flush(&sink);
    return count;
}

int printf(const char *format, ...)
{
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vprintf(format, arguments);
    va_end(arguments);
    return count;
}

int vsnprintf(char *target, size_t size, const char *format, va_list arguments)
{
    /* The last byte is kept for the end. */
    struct sink sink = {target, target, size ? target + size - 1 : target, 0, 0};
    int count = print(&sink, format, arguments);

    if (size)
        *sink.next = '\0';
    return count;
}

int snprintf(char *target, size_t size, const char *format, ...)
{
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vsnprintf(target, size, format, arguments);
    va_end(arguments);
    return count;
}

int puts(const char *text)
{
    return printf("%s\n", text);
}

int putchar(int character)
{
    char text = (char)character;

    d1_host_write(D1_OUTPUT, &text, 1);
    return (unsigned char)text;
}
