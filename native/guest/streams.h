/* What goes in and out of processes, as far as the other side takes it. */
#ifndef BERTH_GUEST_STREAMS_H
#define BERTH_GUEST_STREAMS_H

#include "process.h"

/* Gives the handlers to the watches of a new process. */
void streams_init(struct process *process);

/* Reads outputs and writes input from now on. */
void streams_start(struct process *process);

/* The process has ended: keeps what is left of its outputs, and closes all. */
void streams_drain(struct process *process);

/* Whether everything that it wrote is sent. */
bool streams_are_sent(const struct process *process);

void streams_close(struct process *process);

#endif
