#include "fs/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/bytes.h"
#include "fs/folder.h"
#include "fs/links.h"
#include "fs/tar.h"
#include "fs/fail-call.h"

struct packing {
    struct sink *sink;
    struct failure *failure;
    struct links links;
    struct bytes path; /* of the entry at hand, as it is called in the archive */
    bool is_layer;
};

static int pack_entry(struct packing *packing, int folder, const char *name);
static int pack_content(struct packing *packing, int folder);
static int pack_directory(struct packing *packing, int parent, const char *name, struct tar_entry *entry);
static int pack_file(struct packing *packing, int folder, const char *name, struct tar_entry *entry,
                     const struct stat *info);
static int pack_symlink(struct packing *packing, int folder, const char *name, struct tar_entry *entry);
static int pack_mark(struct packing *packing, const char *name);
static int refuse_unrepresentable(struct packing *packing, const char *name, const struct xattrs *xattrs);

static int finish(struct packing *packing, int result) {
    links_free(&packing->links);
    bytes_free(&packing->path);
    return result < 0 ? -1 : tar_write_end(packing->sink, packing->failure);
}

int pack_tree(int folder, const char *name, const char *as, struct sink *sink, struct failure *failure) {
    struct packing packing = {.sink = sink, .failure = failure};
    bytes_append_text(&packing.path, as);
    return finish(&packing, pack_entry(&packing, folder, name));
}

int pack_changes(int upper, struct sink *sink, struct failure *failure) {
    struct packing packing = {.sink = sink, .failure = failure, .is_layer = true};
    return finish(&packing, pack_content(&packing, upper));
}

static const char *path_of(const struct packing *packing) {
    return packing->path.size ? bytes_text(&packing->path) : ".";
}

static bool is_whiteout(const struct stat *info) { return S_ISCHR(info->st_mode) && info->st_rdev == 0; }

static enum tar_type type_of(mode_t mode) {
    if (S_ISDIR(mode)) return TAR_DIRECTORY;
    if (S_ISLNK(mode)) return TAR_SYMLINK;
    if (S_ISCHR(mode)) return TAR_CHARACTER;
    if (S_ISBLK(mode)) return TAR_BLOCK;
    if (S_ISFIFO(mode)) return TAR_FIFO;
    return TAR_FILE;
}

/* The entry without path and link. Its path is borrowed, everything else is freed by release_entry(). */
static struct tar_entry describe(const struct stat *info) {
    return (struct tar_entry){
        .type = type_of(info->st_mode),
        .mode = info->st_mode & 07777,
        .uid = info->st_uid,
        .gid = info->st_gid,
        .mtime = info->st_mtim,
        .major = S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode) ? major(info->st_rdev) : 0,
        .minor = S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode) ? minor(info->st_rdev) : 0,
    };
}

static int write_header(struct packing *packing, struct tar_entry *entry) {
    if (packing->path.size == 0)
        return fail(packing->failure, FAILURE_INVALID, "only a folder can be packed without a name");
    entry->path = packing->path.data;
    int result = tar_write_header(packing->sink, entry, packing->failure);
    entry->path = NULL;
    return result;
}

/* A file whose first link is in the archive already. */
static int pack_link(struct packing *packing, struct tar_entry *entry, const char *first) {
    entry->type = TAR_HARD_LINK;
    entry->link = copy_text(first);
    xattrs_free(&entry->xattrs);
    return write_header(packing, entry);
}

static int pack_described(struct packing *packing, int folder, const char *name, const struct stat *info,
                          struct tar_entry *entry) {
    if (read_xattrs(folder, name, &entry->xattrs, packing->failure) < 0) return -1;
    if (packing->is_layer && refuse_unrepresentable(packing, name, &entry->xattrs) < 0) return -1;
    if (entry->type == TAR_DIRECTORY) return pack_directory(packing, folder, name, entry);
    if (info->st_nlink > 1) {
        const char *first = links_find_or_add(&packing->links, info, path_of(packing));
        if (first) return pack_link(packing, entry, first);
    }
    if (entry->type == TAR_FILE) return pack_file(packing, folder, name, entry, info);
    if (entry->type == TAR_SYMLINK) return pack_symlink(packing, folder, name, entry);
    return write_header(packing, entry);
}

static int pack_entry(struct packing *packing, int folder, const char *name) {
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_call(packing->failure, "%s cannot be read", path_of(packing));
    if (S_ISSOCK(info.st_mode)) return 0;
    if (packing->is_layer && is_whiteout(&info)) return pack_mark(packing, name);
    struct tar_entry entry = describe(&info);
    int result = pack_described(packing, folder, name, &info, &entry);
    tar_entry_free(&entry);
    return result;
}

/* Packs what is in an open folder whose path is packing->path. */
static int pack_content(struct packing *packing, int folder) {
    struct names names;
    size_t length = packing->path.size;
    if (read_names(folder, &names, packing->failure) < 0) return -1;
    int result = 0;
    for (size_t at = 0; at < names.count && result == 0; at++) {
        bytes_append_text(&packing->path, names.items[at]);
        result = pack_entry(packing, folder, names.items[at]);
        bytes_truncate(&packing->path, length);
    }
    names_free(&names);
    return result;
}

static bool is_kernel_view(int folder) {
    struct statfs info;
    if (fstatfs(folder, &info) < 0) return false;
    return info.f_type == PROC_SUPER_MAGIC || info.f_type == SYSFS_MAGIC || info.f_type == CGROUP_SUPER_MAGIC ||
           info.f_type == CGROUP2_SUPER_MAGIC;
}

static bool is_opaque(const struct xattrs *xattrs) {
    const struct xattr *opaque = xattrs_find(xattrs, "trusted.overlay.opaque");
    if (!opaque) opaque = xattrs_find(xattrs, "user.overlay.opaque");
    return opaque && opaque->size == 1 && opaque->value[0] == 'y';
}

static int pack_open_directory(struct packing *packing, int folder, struct tar_entry *entry) {
    size_t length = packing->path.size;
    bytes_append_text(&packing->path, length ? "/" : "./");
    int result = write_header(packing, entry);
    if (length == 0) bytes_truncate(&packing->path, 0);
    if (result == 0 && packing->is_layer && is_opaque(&entry->xattrs)) {
        bytes_append_text(&packing->path, ".wh..opq");
        result = pack_mark(packing, ".wh..opq");
        bytes_truncate(&packing->path, length + 1);
    }
    if (result == 0 && !is_kernel_view(folder)) result = pack_content(packing, folder);
    bytes_truncate(&packing->path, length);
    return result;
}

static int pack_directory(struct packing *packing, int parent, const char *name, struct tar_entry *entry) {
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return fail_call(packing->failure, "the folder %s cannot be read", path_of(packing));
    int result = pack_open_directory(packing, folder, entry);
    close(folder);
    return result;
}

/* The header has promised entry->size bytes: a file that grows is cut, one that shrinks is an error. */
static int pack_bytes(struct packing *packing, int file, uint64_t size) {
    char buffer[STREAM_BUFFER];
    for (uint64_t left = size; left;) {
        ssize_t got = read(file, buffer, left < sizeof buffer ? (size_t)left : sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_call(packing->failure, "%s cannot be read", path_of(packing));
        if (got == 0)
            return fail(packing->failure, FAILURE_INTERNAL, "%s became shorter while it was read", path_of(packing));
        if (sink_write(packing->sink, buffer, (size_t)got, packing->failure) < 0) return -1;
        left -= (uint64_t)got;
    }
    return tar_write_padding(packing->sink, size, packing->failure);
}

static int pack_file(struct packing *packing, int folder, const char *name, struct tar_entry *entry,
                     const struct stat *info) {
    struct stat opened;
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return fail_call(packing->failure, "%s cannot be read", path_of(packing));
    int result;
    if (fstat(file, &opened) < 0 || opened.st_ino != info->st_ino || opened.st_dev != info->st_dev) {
        result = fail(packing->failure, FAILURE_CONFLICT, "%s was replaced while it was read", path_of(packing));
    } else {
        entry->size = (uint64_t)opened.st_size;
        result = write_header(packing, entry);
        if (result == 0) result = pack_bytes(packing, file, entry->size);
    }
    close(file);
    return result;
}

static int pack_symlink(struct packing *packing, int folder, const char *name, struct tar_entry *entry) {
    char target[4096];
    ssize_t length = readlinkat(folder, name, target, sizeof target);
    if (length < 0) return fail_call(packing->failure, "the link %s cannot be read", path_of(packing));
    if ((size_t)length == sizeof target)
        return fail(packing->failure, FAILURE_INVALID, "the target of the link %s is too long", path_of(packing));
    target[length] = 0;
    entry->link = copy_text(target);
    return write_header(packing, entry);
}

/* Writes an empty file ".wh.<name>" in place of `name`, with which packing->path ends. */
static int pack_mark(struct packing *packing, const char *name) {
    bytes_truncate(&packing->path, packing->path.size - strlen(name));
    bytes_append_text(&packing->path, ".wh.");
    bytes_append_text(&packing->path, name);
    struct tar_entry entry = {.type = TAR_FILE, .mode = 0600};
    return write_header(packing, &entry);
}

static int refuse_unrepresentable(struct packing *packing, const char *name, const struct xattrs *xattrs) {
    static const char *const refused[] = {"trusted.overlay.redirect", "user.overlay.redirect",
                                          "trusted.overlay.metacopy", "user.overlay.metacopy"};
    if (strncmp(name, ".wh.", 4) == 0)
        return fail(packing->failure, FAILURE_INVALID,
                    "%s cannot be in a layer: names that begin with .wh. mark deletions", path_of(packing));
    for (size_t at = 0; at < sizeof refused / sizeof *refused; at++)
        if (xattrs_find(xattrs, refused[at]))
            return fail(packing->failure, FAILURE_INVALID, "%s is only a reference to a lower layer (%s)",
                        path_of(packing), refused[at]);
    return 0;
}
