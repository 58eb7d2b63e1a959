/* Network namespaces that the launcher keeps alive by a descriptor; the descriptor's number is the handle. */
#ifndef BERTH_NETWORKS_H
#define BERTH_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"
#include "common/resolver-protocol.h"

struct network {
    int namespace;
    uint64_t inode;
    int sockets[RESOLVER_SOCKETS]; /* kept for a resolver that has to be started again */
    bool handed_over;              /* the resolver that runs has them */
    const void *owner;             /* the client that will release it; NULL: none will */
};

struct networks {
    int own; /* the namespace to come back to */
    struct network *held;
    size_t count;
};

int networks_open(struct networks *networks, struct failure *why);

/* A new namespace with its loopback up, where names can be asked for; its handle. */
int networks_create(struct networks *networks, const void *owner, struct failure *why);

struct network *networks_find(const struct networks *networks, uint64_t handle);

/* Lets go of one that is held. */
void networks_release(struct networks *networks, struct network *network);

#endif
