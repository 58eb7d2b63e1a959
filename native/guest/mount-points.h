/* Places in the processes' root where something is mounted; they are made where they are missing. */
#ifndef BERTH_GUEST_MOUNT_POINTS_H
#define BERTH_GUEST_MOUNT_POINTS_H

#include "common/failure.h"

/*
 * Opens (O_PATH) the folder at `path` in `root`, links resolved inside it. What is missing is made: folders with mode
 * 0755, owned by root.
 */
int folder_point(int root, const char *path, struct failure *why);

/* The same for a file, which is made empty. */
int file_point(int root, const char *path, struct failure *why);

/* mount(2) onto a descriptor. */
int mount_at(const char *source, int point, const char *type, unsigned long flags, const char *data);

/* Attaches a detached mount (open_tree(2), fsmount(2)) to a descriptor. */
int attach_at(int tree, int point);

#endif
