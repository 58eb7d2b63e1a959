/*
 * The layers that this launcher has mounted, each once. They are attached on a tmpfs in the launcher's own mount
 * namespace, because until Linux 6.15 neither overlayfs nor open_tree takes a mount that is attached nowhere.
 */
#ifndef BERTH_LAYERS_H
#define BERTH_LAYERS_H

#include <stddef.h>

#include "common/failure.h"

struct layer {
    char *path; /* its key: an EROFS image or a folder on the host */
    int directory;
    char *mount_point;
    size_t uses; /* children that have joined it into a root */
    struct layer *next;
};

struct layers {
    char *scratch; /* the tmpfs */
    unsigned long mounted; /* numbers the mount points */
    struct layer *first;
    struct layer empty; /* an empty folder: the lower side of a root without layers */
};

/* Mounts the tmpfs at `scratch` in the current mount namespace. */
int layers_open(struct layers *layers, const char *scratch, struct failure *why);

/* The mounted layer of a path, mounted now if this is the first use. */
struct layer *layers_get(struct layers *layers, const char *path, struct failure *why);

/* Unmounts a layer, if it is mounted; refused while a root uses it. */
int layers_forget(struct layers *layers, const char *path, struct failure *why);

#endif
