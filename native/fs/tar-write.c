#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/bytes.h"
#include "fs/tar-header.h"
#include "fs/tar.h"

#define OCTAL_7_MAX 07777777u
#define OCTAL_11_MAX 077777777777u

static int write_header_block(struct sink *sink, const struct tar_entry *entry, char type, struct failure *failure);
static int write_pax_records(struct sink *sink, const struct bytes *records, const char *path, struct failure *failure);
static void collect_pax_records(struct bytes *records, const struct tar_entry *entry);

int tar_write_header(struct sink *sink, const struct tar_entry *entry, struct failure *failure) {
    struct bytes records = {0};
    collect_pax_records(&records, entry);
    int result = records.size ? write_pax_records(sink, &records, entry->path, failure) : 0;
    bytes_free(&records);
    return result < 0 ? -1 : write_header_block(sink, entry, (char)entry->type, failure);
}

int tar_write_padding(struct sink *sink, uint64_t size, struct failure *failure) {
    static const char zeros[512];
    return sink_write(sink, zeros, (size_t)(-size % 512), failure);
}

int tar_write_end(struct sink *sink, struct failure *failure) {
    static const char zeros[1024];
    if (sink_write(sink, zeros, sizeof zeros, failure) < 0) return -1;
    return sink_flush(sink, failure);
}

/* A record is "<length> <key>=<value>\n", and the length counts itself. */
static void add_record(struct bytes *records, const char *key, const void *value, size_t size) {
    size_t rest = strlen(key) + size + 3;
    size_t length = rest + 1;
    char digits[24];
    while ((size_t)snprintf(digits, sizeof digits, "%zu", length) + rest != length) length++;
    bytes_append_text(records, digits);
    bytes_append_text(records, " ");
    bytes_append_text(records, key);
    bytes_append_text(records, "=");
    bytes_append(records, value, size);
    bytes_append_text(records, "\n");
}

static void add_text(struct bytes *records, const char *key, const char *text) {
    add_record(records, key, text, strlen(text));
}

static void add_number(struct bytes *records, const char *key, uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    add_text(records, key, text);
}

/* Seconds with as many decimals as are needed. POSIX writes times before 1970 as "-1.5", half a second before -1. */
static void add_time(struct bytes *records, const char *key, struct timespec time) {
    int64_t seconds = time.tv_sec;
    long nanoseconds = time.tv_nsec;
    const char *sign = seconds < 0 ? "-" : "";
    if (seconds < 0 && nanoseconds) {
        seconds += 1;
        nanoseconds = 1000000000 - nanoseconds;
    }
    char text[48];
    snprintf(text, sizeof text, "%s%" PRIu64 ".%09ld", sign, (uint64_t)(seconds < 0 ? -seconds : seconds), nanoseconds);
    size_t end = strlen(text);
    while (text[end - 1] == '0') end--;
    if (text[end - 1] == '.') end--;
    text[end] = 0;
    add_text(records, key, text);
}

/* Longer than the field, or not plain ASCII, which old readers misread. */
static int needs_record(const char *text, size_t field) {
    if (strlen(text) > field) return 1;
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80) return 1;
    return 0;
}

/* Keys in a fixed order, so that equal entries give equal bytes. */
static void collect_pax_records(struct bytes *records, const struct tar_entry *entry) {
    struct header *field;
    if (entry->gid > OCTAL_7_MAX) add_number(records, "gid", entry->gid);
    if (entry->link && needs_record(entry->link, sizeof field->link)) add_text(records, "linkpath", entry->link);
    if (entry->mtime.tv_nsec || entry->mtime.tv_sec < 0 || (uint64_t)entry->mtime.tv_sec > OCTAL_11_MAX)
        add_time(records, "mtime", entry->mtime);
    if (needs_record(entry->path, sizeof field->name)) add_text(records, "path", entry->path);
    if (entry->size > OCTAL_11_MAX) add_number(records, "size", entry->size);
    if (entry->uid > OCTAL_7_MAX) add_number(records, "uid", entry->uid);
    for (size_t at = 0; at < entry->xattrs.count; at++) {
        const struct xattr *xattr = &entry->xattrs.items[at];
        if (!is_portable_xattr(xattr->name)) continue;
        struct bytes key = {0};
        bytes_append_text(&key, "SCHILY.xattr.");
        bytes_append_text(&key, xattr->name);
        add_record(records, bytes_text(&key), xattr->value, xattr->size);
        bytes_free(&key);
    }
}

static const char *last_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static int write_pax_records(struct sink *sink, const struct bytes *records, const char *path,
                             struct failure *failure) {
    char name[100];
    snprintf(name, sizeof name, "PaxHeaders.0/%.80s", last_name(path));
    struct tar_entry entry = {.path = name, .mode = 0644, .size = records->size};
    if (write_header_block(sink, &entry, 'x', failure) < 0) return -1;
    if (sink_write(sink, records->data, records->size, failure) < 0) return -1;
    return tar_write_padding(sink, records->size, failure);
}

/* `size` is the field's, with its NUL. What does not fit is in a PAX record. */
static void put_octal(char *field, size_t size, uint64_t number, uint64_t max) {
    char text[24];
    snprintf(text, sizeof text, "%0*" PRIo64, (int)size - 1, number > max ? 0 : number);
    memcpy(field, text, size);
}

/* A name may fill its field, without a NUL. */
static void put_text(char *field, size_t size, const char *text) {
    size_t length = strlen(text);
    memcpy(field, text, length < size ? length : size);
}

static void put_checksum(struct header *header) {
    unsigned sum = 0;
    memset(header->checksum, ' ', sizeof header->checksum);
    for (size_t at = 0; at < sizeof *header; at++) sum += ((const unsigned char *)header)[at];
    snprintf(header->checksum, sizeof header->checksum, "%06o", sum);
}

static int write_header_block(struct sink *sink, const struct tar_entry *entry, char type, struct failure *failure) {
    struct header header = {.type = type, .magic = "ustar", .version = {'0', '0'}};
    uint64_t seconds = entry->mtime.tv_sec < 0 ? 0 : (uint64_t)entry->mtime.tv_sec;
    put_text(header.name, sizeof header.name, entry->path);
    put_octal(header.mode, sizeof header.mode, entry->mode & 07777, OCTAL_7_MAX);
    put_octal(header.uid, sizeof header.uid, entry->uid, OCTAL_7_MAX);
    put_octal(header.gid, sizeof header.gid, entry->gid, OCTAL_7_MAX);
    put_octal(header.size, sizeof header.size, entry->size, OCTAL_11_MAX);
    put_octal(header.mtime, sizeof header.mtime, seconds, OCTAL_11_MAX);
    if (entry->link) put_text(header.link, sizeof header.link, entry->link);
    if (entry->major > OCTAL_7_MAX || entry->minor > OCTAL_7_MAX)
        return fail(failure, FAILURE_INVALID, "the device number of %s is too large for an archive", entry->path);
    put_octal(header.major, sizeof header.major, entry->major, OCTAL_7_MAX);
    put_octal(header.minor, sizeof header.minor, entry->minor, OCTAL_7_MAX);
    put_checksum(&header);
    return sink_write(sink, &header, sizeof header, failure);
}

void tar_entry_free(struct tar_entry *entry) {
    free(entry->path);
    free(entry->link);
    xattrs_free(&entry->xattrs);
    *entry = (struct tar_entry){0};
}
