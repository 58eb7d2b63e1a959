/* Where a container asks for names: 127.0.0.11 port 53, behind which the resolver's sockets are. */
#ifndef BERTH_NAME_SOCKETS_H
#define BERTH_NAME_SOCKETS_H

#include "common/failure.h"
#include "common/resolver-protocol.h"

/*
 * Opens a UDP and a TCP socket in the network namespace that the caller is in, on one high port of 127.0.0.11, and
 * redirects port 53 of that address to it: port 53 itself stays free for a server of the container's own.
 */
int name_sockets_open(int sockets[RESOLVER_SOCKETS], struct failure *why);

#endif
