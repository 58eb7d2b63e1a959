/* The other side of a machine's control socket. */
#ifndef BERTH_VM_CLIENT_H
#define BERTH_VM_CLIENT_H

#include "common/failure.h"
#include "options.h"

/* Connects to the monitor of the machine. */
int client_connect(const struct options *options, struct failure *why);

/* Asks for a pause or a resumption, and waits for the answer. */
int client_ask(const struct options *options, unsigned type, struct failure *why);

/*
 * Passes the command of QEMU's on standard input to a computer's monitor, with descriptor 3, if that is open. QEMU's
 * answer goes to standard output.
 */
int client_qmp(const struct options *options, struct failure *why);

#endif
