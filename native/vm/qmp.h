/* QEMU's control channel: the plan's script at the start, then single commands. */
#ifndef BERTH_VM_QMP_H
#define BERTH_VM_QMP_H

#include <stdbool.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/loop.h"
#include "machine-plan.h"
#include "qmp-line.h"

struct qmp;

struct qmp_events {
    void (*script_done)(struct qmp *qmp);
    void (*script_failed)(struct qmp *qmp, const struct failure *why);
    /* Of all events. */
    void (*event)(struct qmp *qmp, struct span name, struct span line);
};

/* `why` is NULL when the command succeeded; `answer` is QEMU's line either way, none when QEMU gave none. */
typedef void qmp_done(void *context, const struct failure *why, struct span answer);

struct qmp_command {
    char *line;
    int descriptor; /* that goes with it; -1: none */
    qmp_done *done;
    void *context; /* NULL: nobody waits any more */
    struct qmp_command *next;
};

struct qmp {
    struct watch watch;
    struct loop *loop;
    const struct qmp_events *events;
    const struct machine_plan *script; /* NULL when it is done */
    size_t step;
    bool sent;     /* the command of this step */
    bool happened; /* the event that is waited for next came already */
    struct buffer in;
    bool skipping; /* the rest of a line that is too long to be looked at */
    struct buffer out;
    struct qmp_command *commands; /* the first one is under way */
};

int qmp_open(struct qmp *qmp, struct loop *loop, int fd, const struct machine_plan *script,
             const struct qmp_events *events);

/* Begins the script. An empty one is done at once. */
void qmp_begin(struct qmp *qmp);

/* Takes what QEMU has said before it ended. */
void qmp_take_rest(struct qmp *qmp);

/* Commands that wait have failed. */
void qmp_close(struct qmp *qmp);

/*
 * A command of ours, behind those that wait. Only when the script is done. -1 when memory is short or QEMU has gone.
 * `descriptor`, which is taken over in any case, goes to QEMU with it; -1: none.
 */
int qmp_do(struct qmp *qmp, const char *line, int descriptor, qmp_done *done, void *context);

#endif
