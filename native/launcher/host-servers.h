/* The host's DNS servers, where the resolver sees them, also after they have changed. */
#ifndef BERTH_HOST_SERVERS_H
#define BERTH_HOST_SERVERS_H

#include "common/failure.h"
#include "common/loop.h"

struct host_servers {
    struct watch changes;
    char *copy;
};

/* Copies the host's resolv.conf to `folder`/host, now and whenever it changes. */
int host_servers_open(struct host_servers *servers, struct loop *loop, const char *folder, struct failure *why);

#endif
