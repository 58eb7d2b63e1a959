/* From the end of a run to the next one, by the restart policy: no berthd is needed for it. */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/io.h"
#include "common/protocol.h"
#include "supervisor.h"

/* A berthd that comes back makes up for what it has missed. */
static void remember_end(struct supervisor *supervisor) {
    if (supervisor->earlier_count == EARLIER_MAX) {
        memmove(supervisor->earlier, supervisor->earlier + 1, (EARLIER_MAX - 1) * sizeof(*supervisor->earlier));
        supervisor->earlier_count--;
    }
    supervisor->earlier[supervisor->earlier_count++] = supervisor->end;
}

/* The same container anew: its root, network and ports are as they were, its shm is empty. */
static int prepare_again(struct supervisor *supervisor, struct failure *why) {
    process_free(supervisor->init);
    supervisor->init = process_new(supervisor, true, supervisor->plan.terminal);
    if (!supervisor->init) return fail_errno(why, "a process");
    exit_record_prepare();
    if (mounts_empty_shm(&supervisor->mounts, &supervisor->plan, why) < 0) return -1;
    if (log_open(&supervisor->log, &supervisor->plan, why) < 0) return -1;
    return process_open(supervisor->init, supervisor->plan.open_stdin, why);
}

static void start_again(struct supervisor *supervisor) {
    struct failure why;
    supervisor->again = true;
    if (prepare_again(supervisor, &why) == 0 && supervisor_start(supervisor, &why) == 0) return;
    AUTO_BUFFER words = {0};
    buffer_append(&words, why.message, strlen(why.message));
    supervisor_restart_failed(supervisor, &words);
}

static void on_back_off(struct watch *watch, uint32_t events) {
    (void)events;
    struct supervisor *supervisor = container_of(watch, struct supervisor, back_off);
    loop_close(&supervisor->loop, watch);
    start_again(supervisor);
}

static int wait_until_due(struct supervisor *supervisor) {
    struct itimerspec timer = {.it_value = {.tv_sec = (time_t)(supervisor->restart.delay / 1000),
                                            .tv_nsec = (long)(supervisor->restart.delay % 1000) * 1000000}};
    supervisor->back_off =
        (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .ready = on_back_off};
    if (supervisor->back_off.fd < 0 || timerfd_settime(supervisor->back_off.fd, 0, &timer, NULL) < 0) return -1;
    return loop_watch(&supervisor->loop, &supervisor->back_off, EPOLLIN);
}

/* The delay begins when the OCI runtime has cleaned up. */
void supervisor_restart_in(struct supervisor *supervisor, uint64_t delay) {
    supervisor->phase = PHASE_RESTARTING;
    supervisor->restart.delay = delay;
    remember_end(supervisor);
    sessions_announce_end(supervisor, NULL);
    sessions_exited(supervisor->init);
    supervisor_delete(supervisor);
}

void supervisor_deleted_for_restart(struct supervisor *supervisor) {
    if (wait_until_due(supervisor) == 0) return;
    log_line("no timer for the restart: %s", strerror(errno));
    loop_close(&supervisor->loop, &supervisor->back_off);
    start_again(supervisor);
}

void supervisor_restart_failed(struct supervisor *supervisor, const struct buffer *words) {
    supervisor->end.finished = now();
    exit_record_write_earlier(supervisor->earlier, supervisor->earlier_count);
    exit_record_write(&supervisor->end, words);
    supervisor->phase = PHASE_EXITED;
    sessions_announce_end(supervisor, words);
    supervisor_give_up(supervisor);
}

int supervisor_set_restart(struct session *session, uint16_t request, const struct restart_plan *plan) {
    session->supervisor->restart.plan = *plan;
    connection_send(&session->connection, MESSAGE_OK, request, NULL, 0);
    return 0;
}

int supervisor_cancel_restart(struct session *session, uint16_t request) {
    struct supervisor *supervisor = session->supervisor;
    supervisor->restart.cancelled = true;
    connection_send(&session->connection, MESSAGE_OK, request, NULL, 0);
    if (supervisor->phase != PHASE_RESTARTING) return 0;
    loop_close(&supervisor->loop, &supervisor->back_off);
    supervisor->phase = PHASE_EXITED;
    sessions_announce_end(supervisor, NULL);
    supervisor_give_up(supervisor);
    return 0;
}
