/* The host's side of a process's terminal: a pty whose master the supervisor gets, passing bytes as they are. */
#ifndef BERTH_VM_TERMINAL_H
#define BERTH_VM_TERMINAL_H

#include <stdint.h>

#include "common/failure.h"

/*
 * Opens a pty, makes its other end the caller's controlling terminal (so that SIGWINCH comes), in raw mode since the
 * guest's own terminal does the work, and sends the master to the socket at `console_socket`. Returns the other end.
 * The caller leads a session without a terminal.
 */
int terminal_open(const char *console_socket, struct failure *why);

/* False while nobody has set a size. */
int terminal_size(int terminal, uint16_t *rows, uint16_t *columns);

#endif
