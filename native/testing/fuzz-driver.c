/* Feeds random bytes to a fuzzer's entry point where libFuzzer is not installed. Argument: the number of runs. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small numbers are more common than in plain noise: decoders are about lengths and tags. */
static uint8_t next_byte(void) {
    long bits = random();
    return (bits & 0x300) ? (uint8_t)(bits & 0x07) : (uint8_t)bits;
}

int main(int argc, char **argv) {
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 50000;
    srandom(1);
    for (long run = 0; run < runs; run++) {
        size_t size = (size_t)random() % 4096;
        uint8_t *data = malloc(size ? size : 1); /* exact size, so that the sanitizer sees each overrun */
        if (!data) return 1;
        for (size_t at = 0; at < size; at++) data[at] = next_byte();
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    printf("%ld random inputs, no crash\n", runs);
    return 0;
}
