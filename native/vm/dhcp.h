/* The answers to a card that asks by DHCP. Only its own questions come here, as its link sees to. */
#ifndef BERTH_VM_DHCP_H
#define BERTH_VM_DHCP_H

#include "common/loop.h"
#include "lease-link.h"

struct dhcp {
    struct watch watch;
    const struct lease_link *link;
};

/* `link` stays the caller's. */
int dhcp_open(struct dhcp *dhcp, struct loop *loop, const struct lease_link *link, struct failure *why);

#endif
