/* Real trees under the sanitizers: packing, unpacking and removing, and paths that try to leave their root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/bytes.h"
#include "fs/pack.h"
#include "fs/remove.h"
#include "fs/root.h"
#include "fs/tar.h"
#include "fs/unpack.h"
#include "testing/check.h"

static struct bytes archive;
static size_t position;
static struct failure failure;

static int collect(void *context, const char *data, size_t size, struct failure *unused) {
    (void)context, (void)unused;
    bytes_append(&archive, data, size);
    return 0;
}

static long give(void *context, char *buffer, struct failure *unused) {
    (void)context, (void)unused;
    size_t left = archive.size - position, piece = left < 700 ? left : 700;
    memcpy(buffer, archive.data + position, piece);
    position += piece;
    return (long)piece;
}

static struct sink *new_archive(void) {
    static struct sink sink;
    bytes_truncate(&archive, 0);
    sink = (struct sink){.flush = collect};
    return &sink;
}

static int unpack_archive(int root, const char *path) {
    static struct source source;
    source = (struct source){.fill = give};
    position = 0;
    struct owner owner = {getuid(), getgid()};
    struct unpack_options options = {.path = path, .owner = &owner};
    return unpack(root, &options, &source, &failure);
}

static void write_entry(struct sink *sink, enum tar_type type, const char *path, const char *link) {
    struct tar_entry entry = {
        .type = type, .path = copy_text(path), .link = link ? copy_text(link) : NULL, .mode = 0755};
    CHECK(tar_write_header(sink, &entry, &failure) == 0);
    tar_entry_free(&entry);
}

/* A PAX header with one record, for the next entry. */
static void write_record(struct sink *sink, const char *record) {
    char block[512] = {0};
    int length = (int)strlen(record) + 4; /* two digits, a blank, the record, a line end */
    CHECK(snprintf(block, sizeof block, "%d %s\n", length, record) == length);
    struct tar_entry header = {.type = (enum tar_type)'x', .path = "record", .size = (uint64_t)length};
    CHECK(tar_write_header(sink, &header, &failure) == 0 && sink_write(sink, block, sizeof block, &failure) == 0);
}

static void write_file(int folder, const char *name, const char *content) {
    int file = openat(folder, name, O_WRONLY | O_CREAT, 0640);
    CHECK(file >= 0 && write(file, content, strlen(content)) == (ssize_t)strlen(content));
    close(file);
}

static void a_packed_tree_is_unpacked_the_same(int root) {
    CHECK(mkdirat(root, "tree", 0750) == 0 && mkdirat(root, "tree/sub", 0700) == 0);
    write_file(root, "tree/sub/file", "content");
    write_file(root, "tree/empty", "");
    CHECK(linkat(root, "tree/sub/file", root, "tree/linked", 0) == 0);
    CHECK(symlinkat("/anywhere", root, "tree/symlink") == 0 && mkfifoat(root, "tree/fifo", 0600) == 0);
    CHECK(pack_tree(root, "tree", "as/named", new_archive(), &failure) == 0);
    struct bytes first = archive;
    CHECK(unpack_archive(root, "//copy/") == 0);
    archive = (struct bytes){0};
    int copy = open_in_root(root, "copy/as", O_RDONLY | O_DIRECTORY);
    CHECK(copy >= 0 && pack_tree(copy, "named", "as/named", new_archive(), &failure) == 0);
    CHECK(archive.size == first.size && memcmp(archive.data, first.data, first.size) == 0);
    close(copy);
    bytes_free(&first);
}

static void a_root_is_packed_without_a_name(int root) {
    CHECK(pack_tree(root, ".", "", new_archive(), &failure) == 0);
    CHECK(strcmp(archive.data + 1024, "./") == 0); /* behind the PAX header with the time */
    CHECK(pack_tree(root, "tree/empty", "", new_archive(), &failure) < 0);
    CHECK(strcmp(failure.kind, FAILURE_INVALID) == 0);
}

static void paths_stay_inside(int root) {
    struct stat inside, outside;
    CHECK(symlinkat("../../../../..", root, "up") == 0 && symlinkat("/", root, "top") == 0);
    CHECK(fstat(root, &inside) == 0 && stat("/", &outside) == 0 && inside.st_ino != outside.st_ino);
    static const char *const paths[] = {"up", "top", "/..", "../../..", "top/up/top", "tree/../.."};
    for (size_t at = 0; at < sizeof paths / sizeof *paths; at++) {
        struct stat found;
        int folder = open_in_root(root, paths[at], O_PATH | O_DIRECTORY);
        CHECK(folder >= 0 && fstat(folder, &found) == 0);
        CHECK(found.st_ino == inside.st_ino && found.st_dev == inside.st_dev);
        close(folder);
    }
    const char *name;
    CHECK(open_parent(root, "..", &name, &failure) < 0 && open_parent(root, "/", &name, &failure) < 0);
}

static void hostile_entries_are_refused(int root) {
    static const struct {
        enum tar_type type;
        const char *path, *link;
    } hostile[] = {
        {TAR_FILE, "../evil", NULL},     {TAR_FILE, "a/../../evil", NULL},
        {TAR_DIRECTORY, "..", NULL},     {TAR_HARD_LINK, "x", "../../evil"},
        {TAR_FILE, ".", NULL},           {TAR_CHARACTER, "whiteout", NULL},
        {TAR_HARD_LINK, "x", "missing"}, {TAR_SYMLINK, "/", "y"},
    };
    for (size_t at = 0; at < sizeof hostile / sizeof *hostile; at++) {
        struct sink *sink = new_archive();
        write_entry(sink, hostile[at].type, hostile[at].path, hostile[at].link);
        CHECK(tar_write_end(sink, &failure) == 0);
        CHECK(unpack_archive(root, "hostile") < 0);
    }
}

static void links_out_of_the_root_lead_back_into_it(int root) {
    struct sink *sink = new_archive();
    write_entry(sink, TAR_SYMLINK, "out", "../../../../../tree");
    write_entry(sink, TAR_FILE, "out/planted", NULL);
    CHECK(tar_write_end(sink, &failure) == 0);
    CHECK(unpack_archive(root, "") == 0);
    CHECK(faccessat(root, "tree/planted", F_OK, 0) == 0);
}

static void a_layer_hides_in_the_form_of_overlayfs(int root) {
    if (getuid() != 0) return; /* devices and trusted attributes are root's */
    CHECK(mkdirat(root, "layer", 0700) == 0);
    write_file(root, "contents", "0123456789");
    int layer = openat(root, "layer", O_RDONLY | O_DIRECTORY), contents = openat(root, "contents", O_RDONLY);
    struct sink *sink = new_archive();
    write_entry(sink, TAR_DIRECTORY, "./", NULL);
    write_entry(sink, TAR_DIRECTORY, "d", NULL);
    write_entry(sink, TAR_FILE, "d/.wh..wh..opq", NULL);
    write_entry(sink, TAR_FILE, "d/.wh.gone", NULL);
    write_record(sink, "BERTH.content=3,4");
    write_entry(sink, TAR_FILE, "d/file", NULL);
    CHECK(tar_write_end(sink, &failure) == 0);
    static struct source source;
    source = (struct source){.fill = give};
    position = 0;
    CHECK(unpack_layer(layer, contents, &source, &failure) == 0);
    struct stat status;
    CHECK(fstat(layer, &status) == 0 && (status.st_mode & 07777) == 0755 && status.st_mtim.tv_sec == 0);
    CHECK(fstatat(layer, "d/gone", &status, 0) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == 0);
    char content[16] = {0}, opaque = 0;
    int file = openat(layer, "d/file", O_RDONLY), folder = openat(layer, "d", O_RDONLY | O_DIRECTORY);
    CHECK(read(file, content, sizeof content) == 4 && strcmp(content, "3456") == 0);
    CHECK(fgetxattr(folder, "trusted.overlay.opaque", &opaque, 1) == 1 && opaque == 'y');
    CHECK(faccessat(layer, "d/.wh.gone", F_OK, 0) < 0);
    close(file), close(folder), close(layer), close(contents);
}

static void a_content_that_cannot_be_is_refused(int root) {
    static const char *const records[] = {"BERTH.content=1",    "BERTH.content=,1",  "BERTH.content=1,",
                                          "BERTH.content=-1,1", "BERTH.content=1,x", "BERTH.content=9223372036854775807,1"};
    for (size_t at = 0; at < sizeof records / sizeof *records; at++) {
        struct sink *sink = new_archive();
        write_record(sink, records[at]);
        write_entry(sink, TAR_FILE, "file", NULL);
        CHECK(tar_write_end(sink, &failure) == 0);
        CHECK(unpack_archive(root, "refused") < 0 && strcmp(failure.kind, FAILURE_INVALID) == 0);
    }
}

static void removing_follows_no_link(const char *folder) {
    char path[256];
    snprintf(path, sizeof path, "%s/tree", folder);
    CHECK(remove_tree(path, &failure) == 0 && access(path, F_OK) < 0 && errno == ENOENT);
    CHECK(remove_tree(path, &failure) == 0);
    CHECK(remove_tree("relative", &failure) < 0 && remove_tree("/", &failure) < 0 &&
          remove_tree("/x/..", &failure) < 0);
    CHECK(remove_tree(folder, &failure) == 0 && access("/etc", F_OK) == 0);
}

/* As a log's compression does, which outlives its container for a moment. */
static void make_files_in(const char *path) {
    char name[300];
    for (int count = 0; count < 90; count++) {
        snprintf(name, sizeof name, "%s/%d", path, count);
        int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0) _exit(errno == ENOENT ? 0 : 1);
        close(file);
    }
    _exit(0);
}

static void removing_takes_what_comes_meanwhile(void) {
    char path[] = "/tmp/berth-trees-XXXXXX";
    int status;
    CHECK(mkdtemp(path));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) make_files_in(path);
    char first[300];
    snprintf(first, sizeof first, "%s/0", path);
    while (access(first, F_OK) < 0) continue;
    CHECK(remove_tree(path, &failure) == 0 && access(path, F_OK) < 0 && errno == ENOENT);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void) {
    char folder[] = "/tmp/berth-trees-XXXXXX";
    CHECK(mkdtemp(folder));
    int root = open(folder, O_RDONLY | O_DIRECTORY);
    CHECK(root >= 0);
    a_packed_tree_is_unpacked_the_same(root);
    a_root_is_packed_without_a_name(root);
    paths_stay_inside(root);
    hostile_entries_are_refused(root);
    links_out_of_the_root_lead_back_into_it(root);
    a_layer_hides_in_the_form_of_overlayfs(root);
    a_content_that_cannot_be_is_refused(root);
    removing_follows_no_link(folder);
    removing_takes_what_comes_meanwhile();
    close(root);
    bytes_free(&archive);
    return 0;
}
