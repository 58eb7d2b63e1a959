/* Connections inside a network namespace, joined with standard input and output. */
#ifndef BERTH_CONNECT_H
#define BERTH_CONNECT_H

#include <stdint.h>

#include "common/failure.h"

/* Enters the network namespace at a path like /proc/PID/ns/net. */
int enter_network(const char *path, struct failure *why);

/* A TCP connection to a port of the first of `addresses` (IPv4 or IPv6, ended by NULL) that takes it; -1: none does. */
int connect_first(const char *const *addresses, uint16_t port, struct failure *why);

/* Passes what `input` gives on to the socket, and what the socket gives to `output`, until the socket's end. */
int relay(int input, int socket, int output, struct failure *why);

#endif
