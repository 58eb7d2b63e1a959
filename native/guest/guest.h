/* The guest's PID 1: what it knows, and which file does what with it. */
#ifndef BERTH_GUEST_H
#define BERTH_GUEST_H

#include <stdbool.h>

#include "common/loop.h"
#include "launch.h"
#include "port.h"
#include "setup-plan.h"

struct process;
struct names;

struct guest {
    struct loop loop;
    struct port port;
    struct watch children; /* SIGCHLD */
    struct watch memory;   /* the processes' memory.events */
    struct setup_plan setup;
    bool is_set_up;
    struct process *processes;
    struct namespaces namespaces; /* of the first process */
    int own_pid_namespace;
    struct names *names; /* NULL: no name service */
};

/* requests.c: does what a frame from the host asks for, and answers. */
void guest_frame(struct port *port, const struct frame *frame);

/* children.c: takes the ends of processes, whosever they were. */
int children_open(struct guest *guest, struct failure *why);

/* memory-events.c: tells the host when processes are killed for want of memory. */
int memory_events_open(struct guest *guest, struct failure *why);
uint64_t memory_kills(void);

/* power.c: ends all, brings everything to the disks, and switches the machine off; `answer` is sent before that. */
_Noreturn void power_off(struct guest *guest, bool answer, uint16_t id);

#endif
