/* Unpacks tar archives below a folder of a root, which no entry can leave. */
#ifndef BERTH_FS_UNPACK_H
#define BERTH_FS_UNPACK_H

#include "fs/root.h"
#include "fs/stream.h"

struct unpack_options {
    const char *path; /* where in the root; missing folders are made */
    const struct owner *owner; /* instead of the archive's; NULL: the archive's */
};

/*
 * Folders that exist keep their owner, mode and attributes, also when the way to them is a symlink; other existing
 * things are replaced, but a folder never by something else, nor the other way round. Entries with ".." are refused.
 */
int unpack(int root, const struct unpack_options *options, struct source *source, struct failure *failure);

/*
 * Makes a layer's tree in the empty folder `root`, and makes it durable. The root gets the attributes of "./". Deletions
 * (".wh.NAME", ".wh..wh..opq") take the form that overlayfs has for them; a file's content comes from `contents` where its
 * entry says so.
 */
int unpack_layer(int root, int contents, struct source *source, struct failure *failure);

#endif
