/* What a computer's cards are answered in their network namespace: addresses by DHCP, names by DNS. */
#ifndef BERTH_VM_CARD_SERVICES_H
#define BERTH_VM_CARD_SERVICES_H

#include "dhcp.h"
#include "machine-plan.h"
#include "name-server.h"

struct card_service {
    struct lease_link link;
    struct dhcp dhcp;
    struct name_port names;
};

struct card_services {
    struct card_service *cards; /* one for each lease of the plan */
    struct name_server name_server;
};

/* The caller is in the namespace, and stays there. `taps` are those of the plan. */
int card_services_open(struct card_services *services, struct loop *loop, const struct vm_plan *plan, const int *taps,
                       struct failure *why);

#endif
