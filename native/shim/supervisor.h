/*
 * The supervisor's whole state, and what its files offer each other.
 *
 * One container: prepared (root mounted, ports bound) → starting → running → exited. After the exit its record is
 * written, clients are told, the OCI runtime cleans up, and the supervisor ends when its clients have everything. With
 * a restart policy it goes from running to restarting instead, and from there to starting again: root, network and
 * ports stay.
 */
#ifndef BERTH_SUPERVISOR_H
#define BERTH_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/connection.h"
#include "common/loop.h"
#include "common/plan.h"
#include "common/sealed-program.h"
#include "container-log.h"
#include "execution.h"
#include "exit-record.h"
#include "mounts.h"
#include "oom.h"
#include "ports.h"
#include "process.h"
#include "restart.h"
#include "runtime.h"
#include "session.h"

enum phase { PHASE_PREPARED, PHASE_STARTING, PHASE_RUNNING, PHASE_RESTARTING, PHASE_EXITED, PHASE_CLEANED };

/* So many ends that were followed by a restart are remembered. */
#define EARLIER_MAX 32

/* A process that ended before we knew whose it was. */
struct orphan {
    pid_t pid;
    int status;
    bool executed; /* its program; else it was still the runtime's copy */
};

struct supervisor {
    struct plan plan;
    struct loop loop;
    struct watch listening;
    struct watch signals;
    struct mounts mounts;
    int lock;    /* the container's folder */
    int network; /* -1: the host's */
    struct sealed_program oci_runtime;
    enum phase phase;
    struct session *sessions;
    struct process *processes; /* init and execs */
    struct process *init;
    struct job *jobs;
    struct session *runner; /* whose RUN is being done */
    uint16_t run_request;
    struct orphan *orphans; /* only while a start is under way */
    size_t orphan_count;
    struct container_log log;
    uint64_t spool_max; /* bytes that the spools of all clients may take together; 0: there are none */
    struct ports ports;
    struct oom_counter oom;
    uint64_t started_at;
    uint64_t running_since; /* by the clock that never jumps */
    struct run_end end; /* the last one */
    struct restart restart;
    bool again; /* this start is a restart */
    struct watch back_off; /* a timer; -1: no restart is waited for */
    bool deleting;         /* the OCI runtime still cleans up after a run */
    struct run_end earlier[EARLIER_MAX]; /* the oldest first */
    size_t earlier_count;
    unsigned exec_count;
};

/* lifecycle.c: requests of sessions; each is answered when its outcome is known. */
int supervisor_run(struct session *session, uint16_t request, struct failure *why);
int supervisor_discard(struct session *session, uint16_t request, struct failure *why);
int supervisor_exec(struct session *session, uint16_t request, bool terminal, const struct field *object,
                    struct failure *why);
int supervisor_freeze(struct session *session, uint16_t request, const char *command, struct failure *why);

int supervisor_set_restart(struct session *session, uint16_t request, const struct restart_plan *plan);
int supervisor_cancel_restart(struct session *session, uint16_t request);

/* Nobody will answer this session any more. */
void supervisor_forget_session(struct supervisor *supervisor, const struct session *session);
void supervisor_init_ended(struct supervisor *supervisor);

/* Takes the status of every process that has ended. */
void supervisor_reap(struct supervisor *supervisor);

/* Calls the OCI runtime for the first run or the next one. */
int supervisor_start(struct supervisor *supervisor, struct failure *why);

/* Cleans up after a run; what follows depends on the phase. */
void supervisor_delete(struct supervisor *supervisor);

/* There will be no run any more. */
void supervisor_give_up(struct supervisor *supervisor);

/* again.c */
void supervisor_restart_in(struct supervisor *supervisor, uint64_t delay);
void supervisor_deleted_for_restart(struct supervisor *supervisor);
void supervisor_restart_failed(struct supervisor *supervisor, const struct buffer *words);

/* Ends the loop when the container is cleaned up and every session has everything. */
void supervisor_check_end(struct supervisor *supervisor);

#endif
