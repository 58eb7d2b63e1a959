/* What guest.c and process.c share. */
#ifndef BERTH_VM_GUEST_INTERNAL_H
#define BERTH_VM_GUEST_INTERNAL_H

#include "guest.h"

/* An id that no request and no process has; 0: all are taken. */
uint16_t guest_new_id(struct guest *guest);

/* The guest broke the protocol. */
void guest_violated(struct guest *guest, const char *how);

/* process.c: a frame that is about a process. */
void process_take(struct guest *guest, const struct frame *frame);
struct process *process_find(const struct guest *guest, uint16_t id);
void process_refuse(struct process *process, const struct frame *error);
void process_free(struct process *process);
void processes_continue(struct guest *guest);

#endif
