/* Removes trees. */
#ifndef BERTH_FS_REMOVE_H
#define BERTH_FS_REMOVE_H

#include "common/failure.h"

/*
 * Removes a folder, or anything else, and all below it; nothing there is success. Symlinks are not followed,
 * and a mount below it is a failure: what is mounted is somebody else's.
 */
int remove_tree(const char *path, struct failure *failure);

#endif
