#include "fs/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/bytes.h"
#include "fs/tar.h"
#include "fs/fail-call.h"

/* OCI image-spec, layer.md#whiteouts. */
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

/* A folder that was made: its time is set last, when nothing is put into it any more. */
struct made_folder {
    char *path;
    struct timespec mtime;
};

struct unpacking {
    int root;
    const struct unpack_options *options;
    bool is_layer;
    int contents; /* of a layer's files */
    struct source *source;
    struct failure *failure;
    char *base; /* the options' path */
    /* The folder that the last entry went to: archives come folder by folder. */
    char *parent_path;
    int parent;
    struct made_folder *made;
    size_t made_count;
};

static int unpack_entry(struct unpacking *unpacking, struct tar_entry *entry);
static int unpack_at(struct unpacking *unpacking, struct tar_entry *entry, const char *path);
static int create(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                  const char *path);
static int set_folder_times(struct unpacking *unpacking);
static void remember_folder(struct unpacking *unpacking, const char *path, struct timespec mtime);
static int hide(struct unpacking *unpacking, int parent, const char *name, const char *path);
static void forget_parent(struct unpacking *unpacking);

static char *without_last_slashes(const char *path) {
    char *copy = copy_text(path);
    for (size_t length = strlen(copy); length && copy[length - 1] == '/';) copy[--length] = 0;
    return copy;
}

static int unpack_all(struct unpacking *unpacking) {
    struct tar_entry entry;
    int result;
    while ((result = tar_read_header(unpacking->source, &entry, unpacking->failure)) == 1) {
        int done = unpack_entry(unpacking, &entry);
        tar_entry_free(&entry);
        if (done < 0) return -1;
    }
    return result < 0 ? -1 : set_folder_times(unpacking);
}

static void unpacking_free(struct unpacking *unpacking) {
    for (size_t at = 0; at < unpacking->made_count; at++) free(unpacking->made[at].path);
    free(unpacking->made);
    free(unpacking->base);
    forget_parent(unpacking);
}

int unpack_layer(int root, int contents, struct source *source, struct failure *failure) {
    struct unpack_options options = {.path = ""};
    struct unpacking unpacking = {.root = root, .options = &options, .is_layer = true, .contents = contents,
                                  .source = source, .failure = failure, .base = copy_text(""), .parent = -1};
    int result = unpack_all(&unpacking);
    unpacking_free(&unpacking);
    if (result == 0 && syncfs(root) < 0) return fail_call(failure, "the layer cannot be made durable");
    return result;
}

int unpack(int root, const struct unpack_options *options, struct source *source, struct failure *failure) {
    struct unpacking unpacking = {.root = root, .options = options, .source = source, .failure = failure, .parent = -1};
    struct owner owner = options->owner ? *options->owner : (struct owner){0, 0};
    int base = open_or_make_directory(root, options->path, owner, failure);
    if (base < 0) return -1;
    close(base);
    unpacking.base = without_last_slashes(options->path);
    int result = unpack_all(&unpacking);
    unpacking_free(&unpacking);
    return result;
}

/* The path in the root of a name in the archive, without "." components; NULL for names with "..". */
static char *path_in_root(const char *base, const char *name) {
    struct bytes path = {0};
    bytes_append_text(&path, base);
    while (*name) {
        size_t length = strcspn(name, "/");
        bool is_up = length == 2 && name[0] == '.' && name[1] == '.';
        if (is_up) {
            bytes_free(&path);
            return NULL;
        }
        if (length && !(length == 1 && name[0] == '.')) {
            bytes_append_text(&path, "/");
            bytes_append(&path, name, length);
        }
        name += length + (name[length] == '/');
    }
    return path.data;
}

/* A layer's own root. Its time is set last, as that of the folders in it. */
static int set_root(struct unpacking *unpacking, const struct tar_entry *entry) {
    if (fchmod(unpacking->root, entry->mode) < 0 || fchown(unpacking->root, entry->uid, entry->gid) < 0)
        return fail_call(unpacking->failure, "the layer's root cannot be changed");
    if (write_xattrs(unpacking->root, ".", &entry->xattrs, unpacking->failure) < 0) return -1;
    remember_folder(unpacking, ".", entry->mtime);
    return 0;
}

static int unpack_entry(struct unpacking *unpacking, struct tar_entry *entry) {
    const char *base = unpacking->base;
    char *path = path_in_root(base, entry->path);
    if (!path)
        return fail(unpacking->failure, FAILURE_INVALID, "the entry \"%s\" leads out of the archive's folder",
                    entry->path);
    bool is_base = strlen(path) == strlen(base); /* "./": there already */
    int result = 0;
    if (is_base && entry->type != TAR_DIRECTORY)
        result = fail(unpacking->failure, FAILURE_INVALID, "the entry \"%s\" has no name", entry->path);
    else if (!is_base) result = unpack_at(unpacking, entry, path);
    else if (unpacking->is_layer) result = set_root(unpacking, entry);
    free(path);
    return result;
}

static void remember_folder(struct unpacking *unpacking, const char *path, struct timespec mtime) {
    size_t count = unpacking->made_count;
    if ((count & (count - 1)) == 0)
        unpacking->made = reallocate(unpacking->made, (count ? count * 2 : 1) * sizeof *unpacking->made);
    unpacking->made[unpacking->made_count++] = (struct made_folder){copy_text(path), mtime};
}

static void forget_parent(struct unpacking *unpacking) {
    if (unpacking->parent >= 0) close(unpacking->parent);
    free(unpacking->parent_path);
    unpacking->parent = -1;
    unpacking->parent_path = NULL;
}

/* The folder that `path` is in, made if it is missing. It stays open until the next one is asked for. */
static int parent_of(struct unpacking *unpacking, const char *path) {
    size_t length = (size_t)(strrchr(path, '/') - path);
    if (unpacking->parent >= 0 && strlen(unpacking->parent_path) == length &&
        memcmp(unpacking->parent_path, path, length) == 0)
        return unpacking->parent;
    forget_parent(unpacking);
    struct owner owner = unpacking->options->owner ? *unpacking->options->owner : (struct owner){0, 0};
    struct bytes folder = {0};
    bytes_append(&folder, path, length);
    unpacking->parent_path = folder.data;
    unpacking->parent = open_or_make_directory(unpacking->root, bytes_text(&folder), owner, unpacking->failure);
    return unpacking->parent;
}

/* Returns 1 when the entry is a folder that exists, 0 when the way is free, -1 when neither can be. */
static int make_way(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                    const char *path) {
    struct stat info;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) return 0;
        return fail_call(unpacking->failure, "%s cannot be examined", path);
    }
    if (entry->type == TAR_DIRECTORY) {
        int folder = open_in_root(unpacking->root, path, O_PATH | O_DIRECTORY);
        if (folder >= 0) close(folder);
        if (folder >= 0) return 1;
        return fail(unpacking->failure, FAILURE_INVALID, "cannot overwrite non-directory \"%s\" with directory \"%s\"",
                    path, entry->path);
    }
    if (S_ISDIR(info.st_mode))
        return fail(unpacking->failure, FAILURE_INVALID, "cannot overwrite directory \"%s\" with non-directory \"%s\"",
                    path, entry->path);
    if (unlinkat(parent, name, 0) < 0) return fail_call(unpacking->failure, "%s cannot be replaced", path);
    return 0;
}

static int unpack_at(struct unpacking *unpacking, struct tar_entry *entry, const char *path) {
    int parent = parent_of(unpacking, path);
    if (parent < 0) return -1;
    const char *name = strrchr(path, '/') + 1;
    if (unpacking->is_layer && strncmp(name, WHITEOUT, strlen(WHITEOUT)) == 0) {
        return hide(unpacking, parent, name, path);
    }
    int exists = make_way(unpacking, entry, parent, name, path);
    if (exists) return exists < 0 ? -1 : 0;
    return create(unpacking, entry, parent, name, path);
}

/* Owner before mode, because chown(2) clears setuid; attributes after both, because chown drops capabilities. */
static int set_attributes(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                          const char *path) {
    const struct owner *owner = unpacking->options->owner;
    uid_t uid = owner ? owner->uid : entry->uid;
    gid_t gid = owner ? owner->gid : entry->gid;
    if (fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_call(unpacking->failure, "the owner of %s cannot be set", path);
    /* The name was created a moment ago, not as a symlink: fchmodat() follows none. */
    if (entry->type != TAR_SYMLINK && fchmodat(parent, name, entry->mode, 0) < 0)
        return fail_call(unpacking->failure, "the mode of %s cannot be set", path);
    if (write_xattrs(parent, name, &entry->xattrs, unpacking->failure) < 0) return -1;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, entry->mtime};
    if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_call(unpacking->failure, "the time of %s cannot be set", path);
    return 0;
}

static int write_content(struct unpacking *unpacking, const struct tar_entry *entry, int file, const char *path) {
    for (uint64_t left = entry->size; left;) {
        const char *data;
        size_t wanted = left < STREAM_BUFFER ? (size_t)left : STREAM_BUFFER;
        long got = source_take(unpacking->source, wanted, &data, unpacking->failure);
        if (got < 0) return -1;
        if (got == 0) return fail(unpacking->failure, FAILURE_INVALID, "the archive ends inside \"%s\"", entry->path);
        for (long done = 0; done < got;) {
            ssize_t written = write(file, data + done, (size_t)(got - done));
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) return fail_call(unpacking->failure, "%s cannot be written", path);
            done += written;
        }
        left -= (uint64_t)got;
    }
    return tar_read_padding(unpacking->source, entry->size, unpacking->failure);
}

/* Data as data and holes as holes; shared with the contents file where the file system can do that. */
static int copy_content(struct unpacking *unpacking, const struct tar_entry *entry, int file, const char *path) {
    off_t begin = (off_t)entry->content_offset, end = begin + (off_t)entry->content_size;
    if (ftruncate(file, end - begin) < 0) return fail_call(unpacking->failure, "%s cannot be written", path);
    for (off_t at = begin; at < end;) {
        at = lseek(unpacking->contents, at, SEEK_DATA);
        if (at < 0 && errno == ENXIO) return 0; /* a hole to the end */
        off_t hole = at < 0 ? -1 : lseek(unpacking->contents, at, SEEK_HOLE);
        if (hole < 0) return fail_call(unpacking->failure, "the content of %s cannot be found", path);
        if (hole > end) hole = end;
        for (off_t to = at - begin; at < hole;) {
            ssize_t copied = copy_file_range(unpacking->contents, &at, file, &to, (size_t)(hole - at), 0);
            if (copied < 0 && errno == EINTR) continue;
            if (copied < 0) return fail_call(unpacking->failure, "%s cannot be written", path);
            if (copied == 0) return fail(unpacking->failure, FAILURE_INVALID, "the content of %s is cut off", path);
        }
    }
    return 0;
}

static int create_file(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                       const char *path) {
    int file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return fail_call(unpacking->failure, "the file %s cannot be made", path);
    bool is_elsewhere = unpacking->is_layer && entry->is_elsewhere;
    int result = (is_elsewhere ? copy_content : write_content)(unpacking, entry, file, path);
    if (close(file) < 0 && result == 0) result = fail_call(unpacking->failure, "%s cannot be written", path);
    return result;
}

/* The target is a name in the same archive. */
static int create_hard_link(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                            const char *path) {
    char *target = path_in_root(unpacking->base, entry->link);
    if (!target)
        return fail(unpacking->failure, FAILURE_INVALID,
                    "the entry \"%s\" links to \"%s\", out of the archive's folder", entry->path, entry->link);
    const char *target_name;
    int target_parent = open_parent(unpacking->root, target, &target_name, unpacking->failure);
    int result = target_parent < 0 ? -1 : linkat(target_parent, target_name, parent, name, 0);
    if (target_parent >= 0 && result < 0) fail_call(unpacking->failure, "%s cannot be linked to %s", path, entry->link);
    if (target_parent >= 0) close(target_parent);
    free(target);
    return result;
}

/* What a layer says is deleted below, in the form of overlayfs (Linux, overlayfs.rst, "whiteouts and opaque directories"). */
static int hide(struct unpacking *unpacking, int parent, const char *name, const char *path) {
    if (strcmp(name, OPAQUE) == 0) {
        if (fchdir(parent) == 0 && setxattr(".", "trusted.overlay.opaque", "y", 1, 0) == 0) return 0;
        return fail_call(unpacking->failure, "the folder of %s cannot be made opaque", path);
    }
    if (mknodat(parent, name + strlen(WHITEOUT), S_IFCHR, makedev(0, 0)) == 0) return 0;
    return fail_call(unpacking->failure, "the whiteout %s cannot be made", path);
}

/* The device 0:0 means "deleted" to overlayfs, and is nothing to anybody else: only a layer may have it. */
static int create_node(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                       const char *path) {
    if (!unpacking->is_layer && entry->type == TAR_CHARACTER && entry->major == 0 && entry->minor == 0)
        return fail(unpacking->failure, FAILURE_INVALID, "the entry \"%s\" is the device 0:0", entry->path);
    mode_t format = entry->type == TAR_FIFO ? S_IFIFO : entry->type == TAR_BLOCK ? S_IFBLK : S_IFCHR;
    if (mknodat(parent, name, format | 0600, makedev(entry->major, entry->minor)) == 0) return 0;
    return fail_call(unpacking->failure, "the device %s cannot be made", path);
}

static int create_folder(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                         const char *path) {
    if (mkdirat(parent, name, 0700) < 0) return fail_call(unpacking->failure, "the folder %s cannot be made", path);
    remember_folder(unpacking, path, entry->mtime);
    return 0;
}

static int create(struct unpacking *unpacking, const struct tar_entry *entry, int parent, const char *name,
                  const char *path) {
    int result = 0;
    switch (entry->type) {
    case TAR_FILE: result = create_file(unpacking, entry, parent, name, path); break;
    case TAR_DIRECTORY: result = create_folder(unpacking, entry, parent, name, path); break;
    case TAR_CHARACTER:
    case TAR_BLOCK:
    case TAR_FIFO: result = create_node(unpacking, entry, parent, name, path); break;
    case TAR_SYMLINK:
        if (symlinkat(entry->link, parent, name) < 0)
            result = fail_call(unpacking->failure, "the link %s cannot be made", path);
        break;
    case TAR_HARD_LINK: return create_hard_link(unpacking, entry, parent, name, path); /* has its target's attributes */
    }
    return result < 0 ? -1 : set_attributes(unpacking, entry, parent, name, path);
}

static int set_folder_times(struct unpacking *unpacking) {
    for (size_t at = unpacking->made_count; at-- > 0;) {
        const struct made_folder *made = &unpacking->made[at];
        int folder = open_in_root(unpacking->root, made->path, O_RDONLY | O_DIRECTORY);
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, made->mtime};
        int result = folder < 0 ? -1 : futimens(folder, times);
        if (result < 0) fail_call(unpacking->failure, "the time of %s cannot be set", made->path);
        if (folder >= 0) close(folder);
        if (result < 0) return -1;
    }
    return 0;
}
