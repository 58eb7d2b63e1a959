/* What one card of a computer is told by DHCP (a LEASE of common/vm-plan.h), decoded. */
#ifndef BERTH_VM_LEASE_H
#define BERTH_VM_LEASE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/failure.h"
#include "common/fields.h"

#define MAC_BYTES 6

struct lease {
    char *interface;
    uint8_t mac[MAC_BYTES];
    struct in_addr address;
    unsigned prefix; /* 1 to 32 */
    struct in_addr router; /* 0: none */
    struct in_addr server;
    bool server_is_router;
    uint8_t server_mac[MAC_BYTES]; /* if it is */
    char *hostname; /* NULL: none */
    struct texts search;
};

/* Decodes a LEASE field. `lease` is zeroed, and is to be freed either way. */
int lease_decode(const struct field *outer, struct lease *lease, struct failure *why);

void lease_free(struct lease *lease);

struct in_addr lease_mask(const struct lease *lease);

#endif
