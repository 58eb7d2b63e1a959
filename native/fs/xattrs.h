/* Extended attributes of files that stay closed: they are reached by name from the working directory. */
#ifndef BERTH_FS_XATTRS_H
#define BERTH_FS_XATTRS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/failure.h"

struct xattr {
    char *name;
    char *value;
    size_t size;
};

struct xattrs {
    struct xattr *items; /* sorted by name after read_xattrs() */
    size_t count;
};

void xattrs_add(struct xattrs *xattrs, const char *name, const void *value, size_t size);
const struct xattr *xattrs_find(const struct xattrs *xattrs, const char *name);
void xattrs_free(struct xattrs *xattrs);

/* Whether an attribute travels in archives: user.*, trusted.*, POSIX ACLs, file capabilities; never overlayfs' own. */
bool is_portable_xattr(const char *name);
/* Whether an attribute is overlayfs' own: trusted.overlay.* or user.overlay.*. */
bool is_overlay_xattr(const char *name);

/* All attributes of `name` in the folder; symlinks are not followed. Changes the working directory to it. */
int read_xattrs(int folder, const char *name, struct xattrs *xattrs, struct failure *failure);
/*
 * Sets the portable ones of `xattrs`. What the file system does not support is left out. Changes the working
 * directory to the folder.
 */
int write_xattrs(int folder, const char *name, const struct xattrs *xattrs, struct failure *failure);

#endif
