# SPDX-License-Identifier: Apache-2.0
"""The functions that C programs have: formatted output as C has it, copies and comparisons at every alignment."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden.config import preset
from golden.mesh import GoldenArray
from scripts.d1.compilers import Compiler
from sw.host import RunReport, run_program
from verif.sw.c_programs import COMPILERS, compile_c

SMALL = preset("small")
COMPILER = pytest.mark.parametrize("compiler", COMPILERS, ids=str)


def run_c(source: str, folder: Path, compiler: Compiler = COMPILERS[0]) -> RunReport:
    """A program on the golden model, which must pass."""
    report = run_program(GoldenArray(SMALL, 1, 1), compile_c(folder, source, SMALL, compiler=compiler), 20_000_000)
    assert report.passed, report.summary()
    return report


#: What is printed, and what is to be read.
PRINTED = [
    (r'"%d %d %d", 0, -7, 2147483647', "0 -7 2147483647"),
    (r'"%i|%5d|%-5d|%05d|%+d|% d", 3, 42, 42, -42, 42, 42', "3|   42|42   |-0042|+42| 42"),
    (r'"%.4d|%8.4d|%-8.4d|%08.4d|%.0d|", 42, -42, 42, 42, 0', "0042|   -0042|0042    |    0042||"),
    (r'"%u %u", 4294967295u, 0', "4294967295 0"),
    (r'"%ld %ld", -9223372036854775807l - 1, 9223372036854775807l', "-9223372036854775808 9223372036854775807"),
    (r'"%lu %zu", 18446744073709551615ul, sizeof(int)', "18446744073709551615 4"),
    (r'"%llu %jd", 10000000000000000000ull, (intmax_t)-1', "10000000000000000000 -1"),
    (r'"%x %X %#x %#X %#x %08x", 0xbeef, 0xbeef, 255, 255, 0, 0xabc', "beef BEEF 0xff 0XFF 0 00000abc"),
    (r'"%lx %llx", 1ul << 63, 16ull', "8000000000000000 10"),
    (r'"%#06x|%#-8x|%o %#o %#o", 31, 31, 8, 8, 0', "0x001f|0x1f    |10 010 0"),
    (r'"%hhd %hhu %hd %hu", 300, 300, 70000, 70000', "44 44 4464 4464"),
    (r'"%c%c%c|%3c|%-3c|", 65, 66, 10, 67, 68', "AB\n|  C|D  |"),
    (r'"%s|%6s|%-6s|%.2s|%6.1s|%s", "abc", "abc", "abc", "abc", "abc", (char *)0', "abc|   abc|abc   |ab|     a|(null)"),
    (r'"%*d|%-*d|%*d|%.*s", 4, 1, 4, 2, -4, 3, 2, "xyz"', "   1|2   |3   |xy"),
    (r'"%p %p", (void *)0x80001234, (void *)0', "0x80001234 0x0"),
    (r'"100%%"', "100%"),
    (r'"%f %k %5q %", 1', "%f %k %5q %"),
    (r'"%s", long_text', "0123456789" * 30),
    (r'"%300d", 7', " " * 299 + "7"),
    (r'""', ""),
]  # fmt: skip


@COMPILER
def test_printf_prints_as_c_has_it_and_returns_the_length(compiler: Compiler, tmp_path: Path) -> None:
    digits = "0123456789" * 30
    calls = "".join(f'length = printf({arguments}); printf("<%d>\\n", length);\n' for arguments, _ in PRINTED)
    source = f"""
    #include <stdint.h>
    #include <stdio.h>
    #pragma GCC diagnostic ignored "-Wformat"
    static const char long_text[] = "{digits}";
    int main(void) {{ int length; {calls} return 0; }}
    """
    written = run_c(source, tmp_path, compiler).console[0].text
    assert written.split(">\n")[:-1] == [f"{expected}<{len(expected)}" for _, expected in PRINTED]


def test_puts_putchar_and_snprintf(tmp_path: Path) -> None:
    source = r"""
    #include <stdio.h>
    int main(void) {
        char text[6] = "-----";
        puts("line");
        if (putchar('x') != 'x' || putchar(0x1e9) != 0xe9) return 1;
        if (snprintf(text, 4, "%d", 12345) != 5 || text[4] != '-') return 2;
        puts(text);
        if (snprintf(text, 0, "abc") != 3 || snprintf(0, 0, "%s", "abcd") != 4) return 3;
        return 0;
    }
    """
    assert run_c(source, tmp_path).console[0].text == "line\nx\ufffd123\n"


MEMORY = r"""
#include <string.h>
enum { SIZE = 48 };
static unsigned char one[SIZE], other[SIZE];
static void fill(void) { for (int i = 0; i < SIZE; i++) { one[i] = i * 7 + 1; other[i] = 200 - i; } }
int main(void) {
    for (int to = 0; to < 9; to++)
        for (int from = 0; from < 9; from++)
            for (int size = 0; size < 20; size++) {
                fill();
                if (memcpy(one + to, other + from, size) != one + to) return 1;
                for (int i = 0; i < SIZE; i++)
                    if (one[i] != (unsigned char)(i >= to && i < to + size ? 200 - (i - to + from) : i * 7 + 1)) return 2;
                fill();
                if (memmove(one + to, one + from, size) != one + to) return 3;
                for (int i = 0; i < SIZE; i++)
                    if (one[i] != (unsigned char)((i >= to && i < to + size ? i - to + from : i) * 7 + 1)) return 4;
            }
    for (int to = 0; to < 9; to++)
        for (int size = 0; size < 20; size++) {
            fill();
            if (memset(one + to, 0x1fe, size) != one + to) return 5;
            for (int i = 0; i < SIZE; i++)
                if (one[i] != (unsigned char)(i >= to && i < to + size ? 0xfe : i * 7 + 1)) return 6;
        }
    if (memcmp("abc\xff", "abc\1", 4) <= 0 || memcmp("abc", "abd", 2) || memcmp("a", "b", 1) >= 0) return 7;
    if (strlen("") || strlen("seven..") != 7) return 8;
    if (strcmp("ab", "ab") || strcmp("a", "ab") >= 0 || strcmp("\xff", "a") <= 0) return 9;
    return 0;
}
"""


@COMPILER
def test_copies_fills_and_compares_at_every_alignment(compiler: Compiler, tmp_path: Path) -> None:
    run_c(MEMORY, tmp_path, compiler)
