/* The container's root and shm, visible in the supervisor's own mount namespace only. */
#ifndef BERTH_MOUNTS_H
#define BERTH_MOUNTS_H

#include "common/buffer.h"
#include "common/failure.h"
#include "common/plan.h"

#define MOUNTS_PASSWD "etc/passwd"
#define MOUNTS_GROUP "etc/group"

struct mounts {
    bool root;
    bool shm;
};

/*
 * Moves into a copy of the mount namespace `host`, puts the detached mount `root` at `rootfs` and a tmpfs at `shm`
 * in the plan's directory, which becomes the working directory.
 */
int mounts_place(struct mounts *mounts, const struct plan *plan, int root, int host, struct failure *why);

/* A new, empty tmpfs at `shm`, if the container has one. */
int mounts_empty_shm(struct mounts *mounts, const struct plan *plan, struct failure *why);

void mounts_remove(struct mounts *mounts);

/* Appends a file of the root, following symlinks inside it; nothing when it is missing. */
int mounts_read(const char *path, struct buffer *out, struct failure *why);

#endif
