/* What is written as a tar is read back the same, whatever its names, owners, times and attributes. */
#include <string.h>

#include "fs/bytes.h"
#include "fs/tar.h"
#include "testing/check.h"

static struct bytes archive;
static size_t position;

static int collect(void *context, const char *data, size_t size, struct failure *failure) {
    (void)context, (void)failure;
    bytes_append(&archive, data, size);
    return 0;
}

static long give(void *context, char *buffer, struct failure *failure) {
    (void)context, (void)failure;
    size_t left = archive.size - position, piece = left < 1000 ? left : 1000;
    memcpy(buffer, archive.data + position, piece);
    position += piece;
    return (long)piece;
}

static struct tar_entry write_and_read(const struct tar_entry *entry) {
    static struct sink sink;
    static struct source source;
    struct failure failure;
    struct tar_entry read;
    bytes_truncate(&archive, 0);
    position = 0;
    sink = (struct sink){.flush = collect};
    source = (struct source){.fill = give};
    CHECK(tar_write_header(&sink, entry, &failure) == 0);
    for (uint64_t byte = 0; byte < entry->size; byte++) CHECK(sink_write(&sink, "x", 1, &failure) == 0);
    CHECK(tar_write_padding(&sink, entry->size, &failure) == 0);
    CHECK(tar_write_end(&sink, &failure) == 0);
    CHECK(archive.size % 512 == 0);
    CHECK(tar_read_header(&source, &read, &failure) == 1);
    CHECK(source_skip(&source, read.size, &failure) == 0);
    CHECK(tar_read_padding(&source, read.size, &failure) == 0);
    struct tar_entry next;
    CHECK(tar_read_header(&source, &next, &failure) == 0);
    return read;
}

static void check_same(const struct tar_entry *entry) {
    struct tar_entry read = write_and_read(entry);
    CHECK(read.type == entry->type && strcmp(read.path, entry->path) == 0);
    CHECK(!entry->link || strcmp(read.link, entry->link) == 0);
    CHECK(read.mode == entry->mode && read.uid == entry->uid && read.gid == entry->gid && read.size == entry->size);
    CHECK(read.mtime.tv_sec == entry->mtime.tv_sec && read.mtime.tv_nsec == entry->mtime.tv_nsec);
    CHECK(read.major == entry->major && read.minor == entry->minor);
    CHECK(read.xattrs.count == entry->xattrs.count);
    for (size_t at = 0; at < read.xattrs.count; at++) {
        const struct xattr *one = &read.xattrs.items[at], *other = &entry->xattrs.items[at];
        CHECK(strcmp(one->name, other->name) == 0 && one->size == other->size);
        CHECK(memcmp(one->value, other->value, one->size) == 0);
    }
    tar_entry_free(&read);
}

static void plain_entries_need_no_pax_header(void) {
    struct tar_entry file = {.type = TAR_FILE, .path = "a/b", .mode = 04755, .size = 513, .mtime = {.tv_sec = 1}};
    check_same(&file);
    CHECK(archive.size == 512 + 1024 + 1024);
    struct tar_entry device = {.type = TAR_BLOCK, .path = "dev", .major = 259, .minor = 70000};
    check_same(&device);
}

static void long_names_and_large_numbers_survive(void) {
    char name[3000];
    for (size_t length = 99; length < sizeof name; length += 97) {
        memset(name, 'n', length);
        name[length] = 0;
        struct tar_entry link = {.type = TAR_SYMLINK, .path = name, .link = name, .uid = 4000000000, .gid = 2097152};
        check_same(&link);
    }
    struct tar_entry accented = {.type = TAR_HARD_LINK, .path = "\xc3\xa9", .link = "\xff\n=1"};
    check_same(&accented);
}

static void times_survive_to_the_nanosecond(void) {
    static const struct timespec times[] = {
        {0, 0},           {0, 1},          {1, 500000000},          {-1, 0},
        {-1, 750000000},  {-5, 999999999}, {1795567716, 910000000}, {99999999999, 5},
        {-62135596800, 0}};
    for (size_t at = 0; at < sizeof times / sizeof *times; at++) {
        struct tar_entry entry = {.type = TAR_FILE, .path = "t", .mtime = times[at]};
        check_same(&entry);
    }
}

static void attributes_survive_with_zero_bytes(void) {
    struct xattr items[] = {
        {"security.capability", "\1\0\0\2\0 \0\0\n=\0", 11}, {"user.empty", "", 0}, {"user.x", "y", 1}};
    struct tar_entry entry = {.type = TAR_FILE, .path = "x", .xattrs = {items, 3}};
    check_same(&entry);
}

static void overlay_attributes_stay_out(void) {
    struct xattr items[] = {
        {"trusted.overlay.opaque", "y", 1}, {"user.overlay.origin", "", 0}, {"security.selinux", "", 0}};
    struct tar_entry entry = {.type = TAR_DIRECTORY, .path = "x/", .xattrs = {items, 3}};
    struct tar_entry read = write_and_read(&entry);
    CHECK(read.xattrs.count == 0);
    tar_entry_free(&read);
}

int main(void) {
    plain_entries_need_no_pax_header();
    long_names_and_large_numbers_survive();
    times_survive_to_the_nanosecond();
    attributes_survive_with_zero_bytes();
    overlay_attributes_stay_out();
    bytes_free(&archive);
    return 0;
}
