/* Network namespaces that the launcher keeps alive by a descriptor; the descriptor's number is the handle. */
#ifndef BERTH_NETWORKS_H
#define BERTH_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

struct networks {
    int own; /* the namespace to come back to */
    int *held;
    size_t count;
};

int networks_open(struct networks *networks, struct failure *why);

/* A new namespace with its loopback up. */
int networks_create(struct networks *networks, struct failure *why);

bool networks_has(const struct networks *networks, uint64_t handle);

int networks_release(struct networks *networks, uint64_t handle, struct failure *why);

#endif
