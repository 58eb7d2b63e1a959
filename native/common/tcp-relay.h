/* A TCP connection joined with two descriptors. */
#ifndef BERTH_TCP_RELAY_H
#define BERTH_TCP_RELAY_H

#include <stdint.h>

#include "failure.h"

/* A TCP connection to a port of the first of `addresses` (IPv4 or IPv6, ended by NULL) that takes it; -1: none does. */
int connect_first(const char *const *addresses, uint16_t port, struct failure *why);

/* Passes what `input` gives on to the socket, and what the socket gives to `output`, until the socket's end. */
int relay(int input, int socket, int output, struct failure *why);

#endif
