/* Leads what the machine's processes send to the name server's port 53 to another port, and the answers back. */
#ifndef BERTH_GUEST_REDIRECT_H
#define BERTH_GUEST_REDIRECT_H

#include <stdint.h>

#include "common/failure.h"

/* `server` is an IPv4 address, `port` where its questions are taken; both in the host's byte order. */
int redirect_names(uint32_t server, uint16_t port, struct failure *why);

#endif
