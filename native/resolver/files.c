#include "files.h"

#include <fcntl.h>
#include <string.h>

#include "common/io.h"

static struct stamp stamp_of(const struct stat *status) {
    return (struct stamp){.inode = status->st_ino, .size = status->st_size, .changed = status->st_mtim};
}

static bool is_same(const struct stamp *a, const struct stamp *b) {
    return a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

enum file_news file_read_news(const char *path, struct stamp *stamp, size_t limit, struct buffer *out) {
    struct stat status;
    if (stat(path, &status) < 0) return FILE_GONE;
    struct stamp now = stamp_of(&status);
    if (is_same(&now, stamp)) return FILE_SAME;
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0 || fstat(file, &status) < 0 || !S_ISREG(status.st_mode)) return FILE_GONE;
    if (read_until_end(file, out, limit) < 0) return FILE_GONE;
    *stamp = stamp_of(&status);
    return FILE_NEW;
}
