/*
 * The supervisor's whole state, and what its files offer each other.
 *
 * One container: prepared (root mounted, ports bound) → starting → running → exited. After the exit its record is
 * written, clients are told, the OCI runtime cleans up, and the supervisor ends when its clients have everything.
 */
#ifndef BERTH_SUPERVISOR_H
#define BERTH_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/connection.h"
#include "common/loop.h"
#include "common/plan.h"
#include "container-log.h"
#include "execution.h"
#include "exit-record.h"
#include "mounts.h"
#include "oom.h"
#include "ports.h"
#include "process.h"
#include "runtime.h"
#include "session.h"

enum phase { PHASE_PREPARED, PHASE_STARTING, PHASE_RUNNING, PHASE_EXITED, PHASE_CLEANED };

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
    struct ports ports;
    struct oom_counter oom;
    uint64_t started_at;
    struct run_end end;
    unsigned exec_count;
};

/* lifecycle.c: requests of sessions; each is answered when its outcome is known. */
int supervisor_run(struct session *session, uint16_t request, struct failure *why);
int supervisor_discard(struct session *session, uint16_t request, struct failure *why);
int supervisor_exec(struct session *session, uint16_t request, bool terminal, const struct field *object,
                    struct failure *why);
int supervisor_freeze(struct session *session, uint16_t request, const char *command, struct failure *why);

/* Nobody will answer this session any more. */
void supervisor_forget_session(struct supervisor *supervisor, const struct session *session);
void supervisor_init_ended(struct supervisor *supervisor);

/* Takes the status of every process that has ended. */
void supervisor_reap(struct supervisor *supervisor);

/* Ends the loop when the container is cleaned up and every session has everything. */
void supervisor_check_end(struct supervisor *supervisor);

#endif
