/* Tar archives in the PAX interchange format (POSIX.1-2017, pax; star's SCHILY.xattr records). */
#ifndef BERTH_FS_TAR_H
#define BERTH_FS_TAR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "fs/stream.h"
#include "fs/xattrs.h"

enum tar_type {
    TAR_FILE = '0',
    TAR_HARD_LINK = '1',
    TAR_SYMLINK = '2',
    TAR_CHARACTER = '3',
    TAR_BLOCK = '4',
    TAR_DIRECTORY = '5',
    TAR_FIFO = '6',
};

struct tar_entry {
    enum tar_type type;
    char *path; /* a folder's may end with a slash */
    char *link; /* the target of hard links and symlinks, otherwise NULL */
    mode_t mode; /* permission bits with setuid, setgid and sticky */
    uint32_t uid, gid;
    uint64_t size; /* of a file's content, otherwise 0 */
    struct timespec mtime;
    uint32_t major, minor;
    struct xattrs xattrs;
    bool is_elsewhere; /* "BERTH.content=OFFSET,SIZE": the content lies in another file, and `size` is 0 */
    uint64_t content_offset, content_size;
};

void tar_entry_free(struct tar_entry *entry);

/* Writes an entry's headers. A file's content follows, then tar_write_padding(). */
int tar_write_header(struct sink *sink, const struct tar_entry *entry, struct failure *failure);
int tar_write_padding(struct sink *sink, uint64_t size, struct failure *failure);
/* Writes the end of the archive and flushes. */
int tar_write_end(struct sink *sink, struct failure *failure);

/*
 * Reads the next entry: ustar, old GNU and v7 headers, PAX records, GNU long names. Returns 1, 0 at the end, -1 for a
 * broken archive or an entry type that cannot be unpacked (the failure names the entry). Before the next call, take
 * the entry's size bytes from the source and call tar_read_padding().
 */
int tar_read_header(struct source *source, struct tar_entry *entry, struct failure *failure);
int tar_read_padding(struct source *source, uint64_t size, struct failure *failure);

#endif
