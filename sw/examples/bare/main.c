/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for any RISC-V simulator with Spike's host interface: nothing of this project is in it, or in how it is built.
 *
 * riscv64-unknown-elf-gcc -march=rv64i_zicsr -mabi=lp64 -mcmodel=medany -ffreestanding -nostdlib -static \
 *     -T link.ld crt.S main.c -o bare.elf && d1 run bare.elf
 */
typedef unsigned long Word;

extern volatile Word tohost, fromhost;

static Word system_call(Word which, Word first, Word second, Word third)
{
    volatile Word memory[8] __attribute__((aligned(64))) = {which, first, second, third};

    __sync_synchronize();
    tohost = (Word)memory;
    while (fromhost == 0)
        ;
    fromhost = 0;
    __sync_synchronize();
    return memory[0];
}

void tohost_exit(Word code)
{
    tohost = code << 1 | 1;
    for (;;)
        ;
}

/* The other way to write: one character at a time. */
static void put_character(char character)
{
    while (tohost)
        ;
    tohost = 1ul << 56 | 1ul << 48 | (unsigned char)character;
}

static const char text[] = "bubble sort:";
static int numbers[] = {31, -4, 15, 92, 65, -35, 8, 9, 79, 32};

int main(void)
{
    enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };

    if (system_call(64, 1, (Word)text, sizeof(text) - 1) != sizeof(text) - 1)
        return 1;
    for (int end = COUNT; end > 1; end--)
        for (int place = 1; place < end; place++)
            if (numbers[place - 1] > numbers[place]) {
                int larger = numbers[place - 1];
                numbers[place - 1] = numbers[place];
                numbers[place] = larger;
            }
    for (int place = 0; place < COUNT; place++) {
        if (place && numbers[place - 1] > numbers[place])
            return 2;
        put_character(place ? ',' : ' ');
        put_character(numbers[place] < 0 ? '-' : '+');
    }
    put_character('\n');
    while (tohost)
        ;
    return 0;
}
