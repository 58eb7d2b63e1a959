/* One nftables rule, made by netlink: starting nft costs more than all the rest of a network namespace. */
#ifndef BERTH_REDIRECT_H
#define BERTH_REDIRECT_H

#include <stdint.h>

#include "common/failure.h"

/*
 * In the network namespace that the caller is in: what processes there send by UDP or TCP to `from` of the address
 * goes to its port `to`. The address and ports are in the host's byte order. Called once for a namespace.
 */
int redirect_port(uint32_t address, uint16_t from, uint16_t to, struct failure *why);

#endif
