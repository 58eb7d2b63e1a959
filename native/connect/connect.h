/* The network namespace that connections are made in. */
#ifndef BERTH_CONNECT_H
#define BERTH_CONNECT_H

#include "common/failure.h"

/* Enters the network namespace at a path like /proc/PID/ns/net. */
int enter_network(const char *path, struct failure *why);

#endif
