/* Arbitrary archives are read to their end or refused, never with a crash or a read outside of a buffer. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fs/tar.h"

struct input {
    const uint8_t *data;
    size_t left;
};

/* Small pieces, so that headers are cut everywhere. */
static long fill(void *context, char *buffer, struct failure *failure) {
    struct input *input = context;
    size_t piece = input->left < 97 ? input->left : 97;
    (void)failure;
    memcpy(buffer, input->data, piece);
    input->data += piece;
    input->left -= piece;
    return (long)piece;
}

/* Random bytes almost never have a right checksum: it is put right, so that more than the check is tried. */
static void repair_checksums(uint8_t *data, size_t size) {
    for (size_t at = 0; at + 512 <= size; at += 512) {
        unsigned sum = 0;
        memset(data + at + 148, ' ', 8);
        for (size_t byte = 0; byte < 512; byte++) sum += data[at + byte];
        for (int digit = 0; digit < 6; digit++)
            data[at + 148 + 5 - (size_t)digit] = (uint8_t)('0' + ((sum >> (3 * digit)) & 7));
        data[at + 154] = 0;
    }
}

static void read_archive(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    static struct source source;
    source = (struct source){.fill = fill, .context = &input};
    struct failure failure;
    struct tar_entry entry;
    while (tar_read_header(&source, &entry, &failure) == 1) {
        int result = source_skip(&source, entry.size, &failure);
        if (result == 0) result = tar_read_padding(&source, entry.size, &failure);
        tar_entry_free(&entry);
        if (result < 0) return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t repaired[8192];
    read_archive(data, size);
    if (size > sizeof repaired) return 0;
    memcpy(repaired, data, size);
    repair_checksums(repaired, size);
    /* Mostly PAX and long-name headers, whose size fits what follows. */
    if (size > 1024 && (data[0] & 3)) {
        repaired[156] = "xLKg"[data[0] & 3];
        memcpy(repaired + 124, "00000001000", 12);
        repair_checksums(repaired, 512);
    }
    read_archive(repaired, size);
    return 0;
}
