/* What the launcher tells the resolver over their socket (SOCK_SEQPACKET): one message a packet. */
#ifndef BERTH_RESOLVER_PROTOCOL_H
#define BERTH_RESOLVER_PROTOCOL_H

#include <stdint.h>

#define RESOLVER_VERSION 1
/* The UDP socket and the TCP one, with RESOLVER_ADD. */
#define RESOLVER_SOCKETS 2

enum resolver_command { RESOLVER_ADD = 1, RESOLVER_REMOVE = 2 };

struct resolver_message {
    uint16_t version;
    uint16_t command;
    uint32_t reserved;
    uint64_t sandbox; /* the network namespace's inode */
};

/* The resolver's user and group: a number that distributions leave unused, so that nobody else's processes have it. */
#define RESOLVER_USER 65529

#endif
