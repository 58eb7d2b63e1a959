/*
 * Paths inside a root folder. Symlinks are followed as if the root were "/" (openat2, RESOLVE_IN_ROOT), so no path
 * leads out. A leading slash means nothing. Functions that create do so through the parent's descriptor.
 */
#ifndef BERTH_FS_ROOT_H
#define BERTH_FS_ROOT_H

#include <sys/types.h>

#include "common/failure.h"
#include "common/in-root.h"

struct owner {
    uid_t uid;
    gid_t gid;
};

/*
 * Opens the folder that holds the last component of `path` (symlinks before it are followed) and points `name` at that
 * component in `path`. Fails for paths that end in "..", and for the root itself.
 */
int open_parent(int root, const char *path, const char **name, struct failure *failure);

/* Opens a folder with O_PATH; missing ones on the way to it are made, mode 0755. What is there stays as it is. */
int open_or_make_directory(int root, const char *path, struct owner owner, struct failure *failure);

#endif
