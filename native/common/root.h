/*
 * Joins layers into one root, as a detached mount: a descriptor that shows in no mount table until it is attached.
 *
 * Overlayfs takes only layers whose mounts are in the caller's own mount namespace, so this runs in the launcher's,
 * where the layers are mounted. Three ways, the best that the kernel has:
 *   ROOT_JOIN_FD     lowerdir+ by descriptor (Linux 6.13)
 *   ROOT_JOIN_PATH   lowerdir+ by path (6.8)
 *   ROOT_JOIN_MOUNT  mount(2), whose options end at one page: hence names relative to /proc/self/fd
 * The environment variable BERTH_ROOT_JOIN (fd, path, mount) allows only one of them.
 */
#ifndef BERTH_ROOT_H
#define BERTH_ROOT_H

#include <stddef.h>

#include "failure.h"

struct root_source {
    const int *layers; /* directory descriptors, the bottom one first; at least one */
    size_t count;
    const char *upper; /* NULL: read-only */
    const char *work;
    const char *scratch; /* a free path, for a directory to mount at for an instant (ROOT_JOIN_MOUNT) */
};

/* The root as a detached mount. */
int join_root(const struct root_source *source, struct failure *why);

#endif
