/* Paths of a container, which never lead out of its root. */
#ifndef BERTH_IN_ROOT_H
#define BERTH_IN_ROOT_H

/*
 * Opens `path` below the folder `root`: "/", ".." and symbolic links are resolved in it, and what /proc links to is not
 * followed. -1 with errno.
 */
int open_in_root(int root, const char *path, int flags);

#endif
