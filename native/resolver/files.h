/* Files that somebody else replaces whole (rename(2)): read again when they are not the same any more. */
#ifndef BERTH_RESOLVER_FILES_H
#define BERTH_RESOLVER_FILES_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "common/buffer.h"

/* Which content was read last. All zero: none. */
struct stamp {
    ino_t inode;
    off_t size;
    struct timespec changed;
};

enum file_news { FILE_SAME, FILE_NEW, FILE_GONE };

/* FILE_NEW: `out` is the content, `stamp` is its. FILE_GONE also for a file that cannot be read. */
enum file_news file_read_news(const char *path, struct stamp *stamp, size_t limit, struct buffer *out);

#endif
