/*
 * Messages of DHCP (RFC 2131, options of RFC 2132), as far as one client and one address need them. What comes is a guest's:
 * any bytes.
 */
#ifndef BERTH_VM_DHCP_MESSAGE_H
#define BERTH_VM_DHCP_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lease.h"

#define DHCP_MESSAGE_MAX 1472 /* what an Ethernet frame holds */

enum dhcp_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER = 2,
    DHCP_REQUEST = 3,
    DHCP_DECLINE = 4,
    DHCP_ACK = 5,
    DHCP_NAK = 6,
    DHCP_RELEASE = 7,
    DHCP_INFORM = 8,
};

struct dhcp_request {
    uint8_t type;
    uint8_t transaction[4];
    uint8_t seconds[2];
    bool wants_broadcast;
    struct in_addr client;    /* the address that it has; 0: none */
    struct in_addr requested; /* that it asks for; 0: none */
    struct in_addr server;    /* whom it speaks to; 0: all */
    uint8_t mac[MAC_BYTES];
    const uint8_t *wanted; /* codes of options, in the message; NULL: it does not say */
    size_t wanted_count;
    size_t room; /* for the answer's bytes */
};

/* False for what is no client's message on Ethernet. */
bool dhcp_parse(const uint8_t *message, size_t length, struct dhcp_request *request);

struct dhcp_answer {
    uint8_t message[DHCP_MESSAGE_MAX];
    size_t length;
    struct in_addr to;
};

/* The answer of the lease's server. False: there is none, as to another client or for another server. */
bool dhcp_answer(const struct lease *lease, unsigned mtu, const struct dhcp_request *request, struct dhcp_answer *answer);

#endif
