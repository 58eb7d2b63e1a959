/*
 * The link between a computer's card and whoever answers its questions in the network namespace: the tap device of the card
 * gets the address of the lease's server, and the namespace learns that the guest's address is behind it.
 */
#ifndef BERTH_VM_LEASE_LINK_H
#define BERTH_VM_LEASE_LINK_H

#include <net/if.h>

#include "lease.h"

struct lease_link {
    const struct lease *lease;
    char tap[IFNAMSIZ];
    unsigned mtu;
};

/* The caller is in the namespace. `tap` is the device that taps_open() made for the lease's interface. */
int lease_link_open(struct lease_link *link, const struct lease *lease, int tap, struct failure *why);

/* A socket that hears and says nothing but at that link. -1 with errno. */
int lease_link_socket(const struct lease_link *link, int type, struct in_addr address, uint16_t port);

#endif
