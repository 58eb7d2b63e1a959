/* QEMU as a child: confined, with our ends of its descriptors; and the server of its guest's folders beside it. */
#ifndef BERTH_VM_QEMU_H
#define BERTH_VM_QEMU_H

#include <sys/types.h>

#include "confined-program.h"
#include "machine-plan.h"

struct qemu_ends {
    int agent;   /* the guest's port; of a computer its serial console */
    int guest_agent; /* of a computer: the port of QEMU's guest agent; -1: none */
    int qmp;
    int console; /* what the guest's kernel says */
    int words;   /* what QEMU and the file server say */
};

struct qemu_start {
    const struct machine_plan *machine;
    struct confinement confinement;
    bool is_computer;
    const int *taps;
    size_t tap_count;
};

struct qemu_processes {
    pid_t qemu;
    pid_t file_server; /* 0: none */
};

/* A failure before an execution is told as ours; there are no processes then, and the ends are -1. */
int qemu_start(const struct qemu_start *start, struct qemu_ends *ends, struct qemu_processes *processes,
               struct failure *why);

void qemu_ends_close(struct qemu_ends *ends);

#endif
