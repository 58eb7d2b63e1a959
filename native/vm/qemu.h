/* QEMU as a child: confined, with our ends of its descriptors. */
#ifndef BERTH_VM_QEMU_H
#define BERTH_VM_QEMU_H

#include <sys/types.h>

#include "machine-plan.h"

struct qemu_ends {
    int agent;   /* the guest's port; of a computer its serial console */
    int guest_agent; /* of a computer: the port of QEMU's guest agent; -1: none */
    int qmp;
    int console; /* what the guest's kernel says */
    int words;   /* what QEMU says */
};

struct qemu_start {
    const struct machine_plan *machine;
    int user_namespace;
    uid_t owner;         /* the host's user that is root in it */
    bool is_computer;
    const char *scratch; /* an empty folder */
    const int *taps;
    size_t tap_count;
};

/* Returns the process. A failure before its execution is told as ours; the ends are -1 then. */
pid_t qemu_start(const struct qemu_start *start, struct qemu_ends *ends, struct failure *why);

void qemu_ends_close(struct qemu_ends *ends);

#endif
