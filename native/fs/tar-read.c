#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fs/bytes.h"
#include "fs/tar-header.h"
#include "fs/tar.h"

/* Long names and PAX records larger than this are not real. */
#define MAX_EXTENSION (1024 * 1024)

/* What extension headers said about the entry that follows them; NULL and false: nothing. */
struct overrides {
    char *path, *link;
    bool has_size, has_uid, has_gid, has_mtime;
    uint64_t size, uid, gid;
    struct timespec mtime;
    struct xattrs xattrs;
    bool has_content;
    uint64_t content_offset, content_size;
};

static int read_entry(struct source *source, struct overrides *overrides, struct tar_entry *entry,
                      struct failure *failure);
static int read_block(struct source *source, struct header *header, struct failure *failure);
static int read_extension(struct source *source, char type, uint64_t size, struct overrides *overrides,
                          struct failure *failure);
static int build_entry(const struct header *header, uint64_t size, struct overrides *overrides, struct tar_entry *entry,
                       struct failure *failure);
static int parse_records(const struct bytes *content, struct overrides *overrides, struct failure *failure);
static int apply_record(struct overrides *overrides, const char *key, const char *value, size_t size,
                        struct failure *failure);
static int parse_number(const char *field, size_t size, int64_t *number);
static char *header_path(const struct header *header);
static char *text_of_field(const char *field, size_t size);

int tar_read_header(struct source *source, struct tar_entry *entry, struct failure *failure) {
    struct overrides overrides = {0};
    *entry = (struct tar_entry){0};
    int result = read_entry(source, &overrides, entry, failure);
    free(overrides.path);
    free(overrides.link);
    xattrs_free(&overrides.xattrs);
    if (result < 0) tar_entry_free(entry);
    return result;
}

int tar_read_padding(struct source *source, uint64_t size, struct failure *failure) {
    return source_skip(source, -size % 512, failure);
}

/* Collects extension headers until the entry that they are about. */
static int read_entry(struct source *source, struct overrides *overrides, struct tar_entry *entry,
                      struct failure *failure) {
    for (;;) {
        struct header header;
        int64_t size;
        int got = read_block(source, &header, failure);
        if (got <= 0) return got;
        if (parse_number(header.size, sizeof header.size, &size) < 0 || size < 0)
            return fail(failure, FAILURE_INVALID, "the archive has an entry with a broken size: %.100s", header.name);
        if (!strchr("xgLK", header.type) || header.type == 0)
            return build_entry(&header, (uint64_t)size, overrides, entry, failure);
        if (read_extension(source, header.type, (uint64_t)size, overrides, failure) < 0) return -1;
    }
}

static bool is_zero(const struct header *header) {
    const char *bytes = (const char *)header;
    for (size_t at = 0; at < sizeof *header; at++)
        if (bytes[at]) return false;
    return true;
}

/* Old writers summed signed characters. */
static bool has_right_checksum(const struct header *header) {
    struct header copy = *header;
    int64_t stated;
    if (parse_number(header->checksum, sizeof header->checksum, &stated) < 0) return false;
    memset(copy.checksum, ' ', sizeof copy.checksum);
    int64_t as_unsigned = 0, as_signed = 0;
    for (size_t at = 0; at < sizeof copy; at++) {
        as_unsigned += ((const unsigned char *)&copy)[at];
        as_signed += ((const signed char *)&copy)[at];
    }
    return stated == as_unsigned || stated == as_signed;
}

/* Returns 0 at the end: a zero block, or no further block. */
static int read_block(struct source *source, struct header *header, struct failure *failure) {
    int got = source_read(source, header, sizeof *header, failure);
    if (got <= 0) return got;
    if (is_zero(header)) return 0;
    if (has_right_checksum(header)) return 1;
    return fail(failure, FAILURE_INVALID, "this is not a tar archive: a header has a wrong checksum");
}

static int read_extension(struct source *source, char type, uint64_t size, struct overrides *overrides,
                          struct failure *failure) {
    if (size > MAX_EXTENSION)
        return fail(failure, FAILURE_INVALID, "the archive has a header of %" PRIu64 " bytes", size);
    if (type == 'g') { /* global records: comments of version control systems */
        if (source_skip(source, size, failure) < 0) return -1;
        return tar_read_padding(source, size, failure);
    }
    struct bytes content = {0};
    char *buffer = allocate(size);
    int result = size && source_read(source, buffer, size, failure) != 1
                     ? fail(failure, FAILURE_INVALID, "the archive ends inside a header")
                     : tar_read_padding(source, size, failure);
    if (result == 0) bytes_append(&content, buffer, size);
    if (result == 0 && type == 'x') result = parse_records(&content, overrides, failure);
    if (result == 0 && type != 'x') {
        char **name = type == 'L' ? &overrides->path : &overrides->link;
        free(*name);
        *name = copy_text(bytes_text(&content));
    }
    free(buffer);
    bytes_free(&content);
    return result;
}

static int parse_records(const struct bytes *content, struct overrides *overrides, struct failure *failure) {
    const char *at = bytes_text(content), *end = at + content->size;
    while (at < end) {
        uint64_t length = 0;
        const char *start = at;
        while (at < end && *at >= '0' && *at <= '9' && length <= MAX_EXTENSION)
            length = length * 10 + (uint64_t)(*at++ - '0');
        if (at == start || at == end || *at != ' ' || length > (uint64_t)(end - start) || start + length < at + 3 ||
            start[length - 1] != '\n')
            return fail(failure, FAILURE_INVALID, "the archive has a malformed PAX record");
        const char *key = at + 1, *record_end = start + length - 1;
        const char *equals = memchr(key, '=', (size_t)(record_end - key));
        if (!equals || equals == key)
            return fail(failure, FAILURE_INVALID, "the archive has a PAX record without a key");
        char *key_text = text_of_field(key, (size_t)(equals - key));
        char *value = allocate((size_t)(record_end - equals));
        memcpy(value, equals + 1, (size_t)(record_end - equals - 1));
        value[record_end - equals - 1] = 0;
        int result = apply_record(overrides, key_text, value, (size_t)(record_end - equals - 1), failure);
        free(key_text);
        free(value);
        if (result < 0) return -1;
        at = start + length;
    }
    return 0;
}

static int parse_decimal(const char *text, uint64_t *number) {
    char *end;
    if (*text < '0' || *text > '9') return -1;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno || *end ? -1 : 0;
}

/* "OFFSET,SIZE" in bytes, both of which a file may have. */
static int parse_content(const char *text, struct overrides *overrides) {
    char *comma, *end;
    if (*text < '0' || *text > '9') return -1;
    errno = 0;
    overrides->content_offset = strtoull(text, &comma, 10);
    if (*comma != ',' || comma[1] < '0' || comma[1] > '9') return -1;
    overrides->content_size = strtoull(comma + 1, &end, 10);
    overrides->has_content = true;
    bool fits = overrides->content_size <= INT64_MAX && overrides->content_offset <= INT64_MAX - overrides->content_size;
    return errno || *end || !fits ? -1 : 0;
}

/* "seconds[.fraction]", perhaps negative; digits beyond nanoseconds are dropped. */
static int parse_time(const char *text, struct timespec *time) {
    bool negative = *text == '-';
    const char *digits = negative ? text + 1 : text;
    char *at;
    if (*digits < '0' || *digits > '9') return -1;
    errno = 0;
    int64_t seconds = strtoll(digits, &at, 10);
    if (errno) return -1;
    long nanoseconds = 0, scale = 100000000;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10) nanoseconds += (*at - '0') * scale;
    if (*at) return -1;
    time->tv_sec = negative ? -seconds : seconds;
    time->tv_nsec = nanoseconds;
    if (negative && nanoseconds) {
        time->tv_sec -= 1;
        time->tv_nsec = 1000000000 - nanoseconds;
    }
    return 0;
}

/* An empty value takes an override back (POSIX.1-2017, pax). */
static int replace_text(char **text, const char *value, size_t size) {
    if (strlen(value) != size) return -1;
    free(*text);
    *text = size ? copy_text(value) : NULL;
    return 0;
}

static int replace_number(bool *is_set, uint64_t *number, const char *value) {
    *is_set = *value != 0;
    return *is_set ? parse_decimal(value, number) : 0;
}

static int apply_record(struct overrides *overrides, const char *key, const char *value, size_t size,
                        struct failure *failure) {
    static const char xattr_prefix[] = "SCHILY.xattr.";
    int result = 0;
    if (strcmp(key, "path") == 0) result = replace_text(&overrides->path, value, size);
    if (strcmp(key, "linkpath") == 0) result = replace_text(&overrides->link, value, size);
    if (strcmp(key, "size") == 0) result = replace_number(&overrides->has_size, &overrides->size, value);
    if (strcmp(key, "uid") == 0) result = replace_number(&overrides->has_uid, &overrides->uid, value);
    if (strcmp(key, "gid") == 0) result = replace_number(&overrides->has_gid, &overrides->gid, value);
    if (strcmp(key, "BERTH.content") == 0) result = parse_content(value, overrides);
    if (strcmp(key, "mtime") == 0) {
        overrides->has_mtime = size != 0;
        result = size ? parse_time(value, &overrides->mtime) : 0;
    }
    if (strncmp(key, xattr_prefix, sizeof xattr_prefix - 1) == 0)
        xattrs_add(&overrides->xattrs, key + sizeof xattr_prefix - 1, value, size);
    if (strncmp(key, "GNU.sparse.", 11) == 0)
        return fail(failure, FAILURE_NOT_IMPLEMENTED, "the archive has sparse files (%s), which are not supported",
                    key);
    return result < 0 ? fail(failure, FAILURE_INVALID, "the archive has a malformed PAX record: %s=%s", key, value) : 0;
}

/* A number as octal digits or, with the first bit set, in binary (GNU, star). An empty field is 0. */
static int parse_number(const char *field, size_t size, int64_t *number) {
    const unsigned char *bytes = (const unsigned char *)field;
    uint64_t value = 0;
    if (bytes[0] & 0x80) {
        bool negative = bytes[0] == 0xff;
        if (!negative && bytes[0] != 0x80) return -1;
        value = negative ? UINT64_MAX : 0;
        for (size_t at = 1; at < size; at++) {
            bool fits = at + 8 >= size || bytes[at] == (negative ? 0xff : 0);
            if (!fits) return -1;
            value = value << 8 | bytes[at];
        }
        *number = (int64_t)value;
        return (*number < 0) == negative ? 0 : -1;
    }
    size_t at = 0;
    while (at < size && field[at] == ' ') at++;
    for (; at < size && field[at] >= '0' && field[at] <= '7'; at++) value = value << 3 | (uint64_t)(field[at] - '0');
    if (at < size && field[at] != 0 && field[at] != ' ') return -1;
    *number = (int64_t)value;
    return 0;
}

static char *text_of_field(const char *field, size_t size) {
    size_t length = strnlen(field, size);
    char *text = allocate(length + 1);
    memcpy(text, field, length);
    text[length] = 0;
    return text;
}

/* Only POSIX headers have a prefix; GNU keeps times there. */
static char *header_path(const struct header *header) {
    bool is_posix = memcmp(header->magic, "ustar", 6) == 0;
    char *name = text_of_field(header->name, sizeof header->name);
    if (!is_posix || header->prefix[0] == 0) return name;
    struct bytes path = {0};
    bytes_append(&path, header->prefix, strnlen(header->prefix, sizeof header->prefix));
    bytes_append_text(&path, "/");
    bytes_append_text(&path, name);
    free(name);
    return path.data;
}

static char *take(char **text) {
    char *taken = *text;
    *text = NULL;
    return taken;
}

static bool ends_with_slash(const char *text) { return *text && text[strlen(text) - 1] == '/'; }

/* Version 7 had no types: its folders are names that end with a slash. Returns 0 for a type that cannot be unpacked. */
static enum tar_type entry_type(char type, const char *path) {
    if (type == 0 || type == '0') return ends_with_slash(path) ? TAR_DIRECTORY : TAR_FILE;
    if (type == '7') return TAR_FILE;
    return type >= TAR_HARD_LINK && type <= TAR_FIFO ? (enum tar_type)type : 0;
}

static int build_entry(const struct header *header, uint64_t size, struct overrides *overrides, struct tar_entry *entry,
                       struct failure *failure) {
    int64_t mode, uid, gid, mtime, major = 0, minor = 0;
    entry->path = overrides->path ? take(&overrides->path) : header_path(header);
    entry->type = entry_type(header->type, entry->path);
    if (entry->type == 0)
        return fail(failure, FAILURE_NOT_IMPLEMENTED, "the entry \"%s\" has the unsupported type '%c'", entry->path,
                    header->type);
    if (entry->type == TAR_CHARACTER || entry->type == TAR_BLOCK) {
        if (parse_number(header->major, sizeof header->major, &major) < 0) major = -1;
        if (parse_number(header->minor, sizeof header->minor, &minor) < 0) minor = -1;
    }
    if (parse_number(header->mode, sizeof header->mode, &mode) < 0 ||
        parse_number(header->uid, sizeof header->uid, &uid) < 0 ||
        parse_number(header->gid, sizeof header->gid, &gid) < 0 ||
        parse_number(header->mtime, sizeof header->mtime, &mtime) < 0)
        return fail(failure, FAILURE_INVALID, "the header of \"%s\" is malformed", entry->path);
    if (overrides->has_uid) uid = (int64_t)overrides->uid;
    if (overrides->has_gid) gid = (int64_t)overrides->gid;
    if (overrides->has_size) size = overrides->size;
    if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX || major < 0 || major > INT32_MAX || minor < 0 ||
        minor > INT32_MAX || size > INT64_MAX)
        return fail(failure, FAILURE_INVALID, "the entry \"%s\" has an impossible owner, device or size", entry->path);
    if (entry->type == TAR_HARD_LINK || entry->type == TAR_SYMLINK)
        entry->link = overrides->link ? take(&overrides->link) : text_of_field(header->link, sizeof header->link);
    entry->mode = (mode_t)mode & 07777;
    entry->uid = (uint32_t)uid;
    entry->gid = (uint32_t)gid;
    entry->size = entry->type == TAR_FILE ? size : 0;
    entry->mtime = overrides->has_mtime ? overrides->mtime : (struct timespec){.tv_sec = mtime};
    entry->major = (uint32_t)major;
    entry->minor = (uint32_t)minor;
    entry->is_elsewhere = overrides->has_content && entry->type == TAR_FILE && entry->size == 0;
    entry->content_offset = overrides->content_offset;
    entry->content_size = overrides->content_size;
    entry->xattrs = overrides->xattrs;
    overrides->xattrs = (struct xattrs){0};
    return 1;
}
