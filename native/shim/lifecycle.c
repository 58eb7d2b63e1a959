/* The container's way from prepared to cleaned up; again.c takes it round. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/protocol.h"
#include "supervisor.h"

/* Reparented grandchildren of a start that we may still have to recognise. */
#define ORPHANS_MAX 256

static void decide_start(struct process *process);
static bool take_orphan(struct supervisor *supervisor, pid_t pid, struct orphan *orphan);

/* ---- start ---- */

static void run_failed(struct supervisor *supervisor, const struct failure *why, const struct buffer *words) {
    if (supervisor->runner) session_send_runtime_failure(supervisor->runner, supervisor->run_request, why, words);
    supervisor->runner = NULL;
    supervisor->init->starting_pid = 0;
    loop_close(&supervisor->loop, &supervisor->init->execution);
    oom_close(&supervisor->oom);
    if (supervisor->again) {
        supervisor_restart_failed(supervisor, words);
        return;
    }
    unlink(supervisor->init->pid_file); /* it has not run */
    supervisor_give_up(supervisor);
}

static void run_succeeded(struct supervisor *supervisor) {
    supervisor->phase = PHASE_RUNNING;
    supervisor->started_at = now();
    supervisor->running_since = monotonic_milliseconds();
    ports_serve(&supervisor->ports);
    if (supervisor->runner) {
        session_send_started(supervisor->runner, supervisor->run_request, supervisor->init->pid,
                             supervisor->started_at);
    }
    supervisor->runner = NULL;
    sessions_start_decided(supervisor);
    if (supervisor->again) sessions_restarted(supervisor);
    /* The user stopped it while it was being restarted. */
    if (supervisor->restart.cancelled) kill(supervisor->init->pid, SIGKILL);
}

static void on_run_done(struct job *job, bool succeeded) {
    struct supervisor *supervisor = job->supervisor;
    struct failure why;
    if (!succeeded) fail(&why, FAILURE_INTERNAL, "the OCI runtime could not start the container");
    if (!succeeded || process_made(supervisor->init, &why) < 0) {
        AUTO_BUFFER words = {0};
        job_words(job, &words);
        run_failed(supervisor, &why, &words);
        return;
    }
    oom_open(&supervisor->oom, supervisor->init->starting_pid);
    decide_start(supervisor->init);
}

int supervisor_start(struct supervisor *supervisor, struct failure *why) {
    struct process *init = supervisor->init;
    const char *arguments[] = {"run",        "--detach",     "--bundle", ".", "--pid-file",
                               init->pid_file, NULL, NULL, NULL, NULL};
    size_t count = 6;
    if (init->terminal) {
        arguments[count++] = "--console-socket";
        arguments[count++] = init->console_path;
    }
    arguments[count] = supervisor->plan.id;
    supervisor->phase = PHASE_STARTING;
    return job_start(supervisor, arguments, init->theirs, on_run_done, NULL, why) ? 0 : -1;
}

int supervisor_run(struct session *session, uint16_t request, struct failure *why) {
    struct supervisor *supervisor = session->supervisor;
    if (supervisor->phase != PHASE_PREPARED) return fail(why, FAILURE_CONFLICT, "the container was started already");
    if (supervisor_start(supervisor, why) < 0) {
        supervisor_give_up(supervisor);
        return -1;
    }
    supervisor->runner = session;
    supervisor->run_request = request;
    return 0;
}

/* ---- exec ---- */

static void exec_failed(struct process *process, const struct failure *why, const struct buffer *words) {
    if (process->starter) {
        session_send_runtime_failure(process->starter, process->start_request, why, words);
        connection_finish(&process->starter->connection);
    }
    process_free(process);
}

static void exec_succeeded(struct process *process) {
    if (process->starter) session_send_started(process->starter, process->start_request, process->pid, now());
    process->starter = NULL;
}

static void on_exec_done(struct job *job, bool succeeded) {
    struct process *process = job->context;
    struct failure why;
    if (!succeeded) fail(&why, FAILURE_INTERNAL, "the OCI runtime could not start the process");
    if (!succeeded || process_made(process, &why) < 0) {
        AUTO_BUFFER words = {0};
        job_words(job, &words);
        exec_failed(process, &why, &words);
        return;
    }
    decide_start(process);
}

static int start_exec(struct process *process, const struct field *object, struct failure *why) {
    /* The runtime opens it by our name while we hold it: no file is left behind, whoever dies. */
    AUTO_CLOSE file = memory_file("process", object->value, object->length);
    if (file < 0) return fail_errno(why, "the process object");
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), file);
    const char *arguments[] = {"exec", "--process", path, "--detach", "--pid-file", process->pid_file,
                               NULL,   NULL,        NULL, NULL};
    size_t count = 6;
    if (process->terminal) {
        arguments[count++] = "--console-socket";
        arguments[count++] = process->console_path;
    }
    arguments[count] = process->supervisor->plan.id;
    struct job *job = job_start(process->supervisor, arguments, process->theirs, on_exec_done, process, why);
    if (!job) return -1;
    job->file = take_fd(&file);
    return 0;
}

int supervisor_exec(struct session *session, uint16_t request, bool terminal, const struct field *object,
                    struct failure *why) {
    struct process *process = process_new(session->supervisor, false, terminal);
    if (!process) return fail_errno(why, "a process");
    process->starter = session;
    process->start_request = request;
    if (process_open(process, (session->streams & STREAM_STDIN) != 0, why) < 0 ||
        start_exec(process, object, why) < 0) {
        process_free(process);
        return -1;
    }
    session->process = process;
    return 0;
}

/* ---- from the runtime's success to the program ---- */

static void start_succeeded(struct process *process) {
    process_started(process);
    if (process->is_init) run_succeeded(process->supervisor);
    else exec_succeeded(process);
}

/* The runtime's words are in the output that nobody has read yet, and nobody else gets them. */
static void start_failed(struct process *process) {
    AUTO_BUFFER words = {0};
    struct failure why;
    fail(&why, FAILURE_INTERNAL, "the process ended before its program was executed");
    process_last_words(process, &words);
    if (process->is_init) run_failed(process->supervisor, &why, &words);
    else exec_failed(process, &why, &words);
}

static void ended_while_starting(struct process *process, int status, bool executed) {
    if (!executed) {
        start_failed(process);
        return;
    }
    start_succeeded(process);
    process_ended(process, status);
}

/* The process runs its program, has ended without, or is looked at again in a moment. */
static void look_at_execution(struct process *process);

static void on_moment(struct watch *watch, uint32_t events) {
    (void)events;
    look_at_execution(container_of(watch, struct process, execution));
}

/* A timer takes the place of the pipe, which has told what it can. */
static int wait_a_moment(struct process *process) {
    static const struct itimerspec MOMENT = {.it_value = {.tv_nsec = 1000000}};
    struct loop *loop = &process->supervisor->loop;
    loop_close(loop, &process->execution);
    process->execution.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    process->execution.ready = on_moment;
    if (process->execution.fd < 0 || timerfd_settime(process->execution.fd, 0, &MOMENT, NULL) < 0) return -1;
    return loop_watch(loop, &process->execution, EPOLLIN);
}

/*
 * crun leaves the pipe to execve; runc 1.1 closes it itself just before, so that execve may still be ahead. Then nothing
 * tells when it comes, but it is a matter of a moment in which the process must come to run.
 */
static void look_at_execution(struct process *process) {
    enum execution execution = execution_of(process->starting_pid);
    loop_watch(&process->supervisor->loop, &process->execution, 0);
    if (execution == EXECUTION_MISSED) return; /* decided when it is reaped: then all its words are there */
    if (execution == EXECUTION_DONE || wait_a_moment(process) < 0) start_succeeded(process);
}

/* End of file. */
static void on_execution(struct watch *watch, uint32_t events) {
    (void)events;
    look_at_execution(container_of(watch, struct process, execution));
}

static void decide_start(struct process *process) {
    struct supervisor *supervisor = process->supervisor;
    struct orphan orphan;
    if (take_orphan(supervisor, process->starting_pid, &orphan)) {
        ended_while_starting(process, orphan.status, orphan.executed);
        return;
    }
    /* Nobody waits for the pipe of a process that can be seen to run: a runtime's daemon may have inherited it. */
    process->execution.ready = on_execution;
    if (execution_of(process->starting_pid) == EXECUTION_DONE ||
        loop_watch(&supervisor->loop, &process->execution, EPOLLIN) < 0) {
        start_succeeded(process);
    }
}

/* ---- pause and resume ---- */

static void on_freeze_done(struct job *job, bool succeeded) {
    struct session *session = job->session;
    if (!session) return;
    if (succeeded) {
        connection_send(&session->connection, MESSAGE_OK, job->request, NULL, 0);
        return;
    }
    AUTO_BUFFER words = {0};
    struct failure why;
    job_words(job, &words);
    fail(&why, FAILURE_INTERNAL, "the OCI runtime refused");
    session_send_runtime_failure(session, job->request, &why, &words);
}

int supervisor_freeze(struct session *session, uint16_t request, const char *command, struct failure *why) {
    struct supervisor *supervisor = session->supervisor;
    if (supervisor->phase != PHASE_RUNNING) return fail(why, FAILURE_CONFLICT, "the container does not run");
    const char *arguments[] = {command, supervisor->plan.id, NULL};
    const int nothing[JOB_DESCRIPTORS] = {-1, -1, -1, -1};
    struct job *job = job_start(supervisor, arguments, nothing, on_freeze_done, NULL, why);
    if (!job) return -1;
    job->session = session;
    job->request = request;
    return 0;
}

/* ---- end ---- */

void supervisor_forget_session(struct supervisor *supervisor, const struct session *session) {
    if (supervisor->runner == session) supervisor->runner = NULL;
    for (struct job *job = supervisor->jobs; job; job = job->next) {
        if (job->session == session) job->session = NULL;
    }
    for (struct process *process = supervisor->processes; process; process = process->next) {
        if (process->starter == session) process->starter = NULL;
    }
}

/* The record comes first: whoever hears of the end finds it. */
void supervisor_init_ended(struct supervisor *supervisor) {
    if (supervisor->phase != PHASE_RUNNING) return; /* a start that failed halfway is cleaned up already */
    uint64_t ran = monotonic_milliseconds() - supervisor->running_since;
    int code = supervisor->init->exit_code;
    int64_t delay = restart_after(&supervisor->restart, code, ran);
    supervisor->end = (struct run_end){.code = code,
                                       .signal = supervisor->init->end_signal,
                                       .memory = oom_close(&supervisor->oom),
                                       .started = supervisor->started_at,
                                       .finished = now(),
                                       .restarts = supervisor->restart.count};
    log_close(&supervisor->log);
    if (delay < 0) exit_record_write_earlier(supervisor->earlier, supervisor->earlier_count);
    exit_record_write(&supervisor->end, NULL);
    if (delay >= 0) {
        supervisor_restart_in(supervisor, (uint64_t)delay);
        return;
    }
    supervisor->phase = PHASE_EXITED;
    ports_close(&supervisor->ports);
    sessions_announce_end(supervisor, NULL);
    sessions_exited(supervisor->init);
    supervisor_delete(supervisor);
}

/* Nothing is left: a client that sees its connection end can start the container again. */
static void cleaned(struct supervisor *supervisor) {
    mounts_remove(&supervisor->mounts);
    loop_close(&supervisor->loop, &supervisor->listening);
    unlink(supervisor->plan.socket);
    close_fd(&supervisor->lock);
    supervisor->phase = PHASE_CLEANED;
    sessions_finish(supervisor);
    supervisor_check_end(supervisor);
}

static void deleted(struct supervisor *supervisor) {
    supervisor->deleting = false;
    if (supervisor->phase == PHASE_RESTARTING) supervisor_deleted_for_restart(supervisor);
    else cleaned(supervisor);
}

static void on_delete_done(struct job *job, bool succeeded) {
    (void)succeeded; /* a container that never came to be cannot be deleted */
    deleted(job->supervisor);
}

void supervisor_delete(struct supervisor *supervisor) {
    const char *const arguments[] = {"delete", "--force", supervisor->plan.id, NULL};
    const int nothing[JOB_DESCRIPTORS] = {-1, -1, -1, -1};
    struct failure why;
    if (supervisor->deleting) return;
    supervisor->deleting = true;
    if (job_start(supervisor, arguments, nothing, on_delete_done, NULL, &why)) return;
    log_line("%s", why.message);
    deleted(supervisor);
}

void supervisor_give_up(struct supervisor *supervisor) {
    supervisor->phase = PHASE_EXITED;
    sessions_start_decided(supervisor);
    ports_close(&supervisor->ports);
    log_close(&supervisor->log);
    supervisor_delete(supervisor);
}

int supervisor_discard(struct session *session, uint16_t request, struct failure *why) {
    struct supervisor *supervisor = session->supervisor;
    if (supervisor->phase != PHASE_PREPARED) return fail(why, FAILURE_CONFLICT, "the container was started already");
    ports_close(&supervisor->ports);
    log_close(&supervisor->log);
    connection_send(&session->connection, MESSAGE_OK, request, NULL, 0);
    cleaned(supervisor);
    return 0;
}

void supervisor_check_end(struct supervisor *supervisor) {
    if (supervisor->phase != PHASE_CLEANED || supervisor->log.files.compressing) return;
    if (!supervisor->sessions && !supervisor->jobs) supervisor->loop.stopped = true;
}

/* ---- ends of processes ---- */

static bool start_is_under_way(const struct supervisor *supervisor) {
    const struct process *process = supervisor->processes;
    while (process && process->execution.fd < 0) process = process->next;
    return process != NULL;
}

static void keep_orphan(struct supervisor *supervisor, const struct orphan *orphan) {
    if (!start_is_under_way(supervisor) || supervisor->orphan_count == ORPHANS_MAX) return;
    size_t size = (supervisor->orphan_count + 1) * sizeof(struct orphan);
    struct orphan *orphans = realloc(supervisor->orphans, size);
    if (!orphans) return;
    supervisor->orphans = orphans;
    orphans[supervisor->orphan_count++] = *orphan;
}

static void forget_orphans(struct supervisor *supervisor) {
    if (start_is_under_way(supervisor)) return;
    free(supervisor->orphans);
    supervisor->orphans = NULL;
    supervisor->orphan_count = 0;
}

/* Whether a process that the runtime has just told of has ended already. */
static bool take_orphan(struct supervisor *supervisor, pid_t pid, struct orphan *orphan) {
    for (size_t index = 0; index < supervisor->orphan_count; index++) {
        if (supervisor->orphans[index].pid != pid) continue;
        *orphan = supervisor->orphans[index];
        supervisor->orphans[index] = supervisor->orphans[--supervisor->orphan_count];
        return true;
    }
    return false;
}

static struct process *find_starting(const struct supervisor *supervisor, pid_t pid) {
    struct process *process = supervisor->processes;
    while (process && process->starting_pid != pid) process = process->next;
    return process;
}

static void reaped(struct supervisor *supervisor, const struct orphan *ended) {
    struct job *job = job_find(supervisor, ended->pid);
    struct process *process = process_find(supervisor, ended->pid);
    struct process *starting = find_starting(supervisor, ended->pid);
    if (log_files_compressed(&supervisor->log.files, ended->pid, ended->status)) return;
    if (job) job_ended(job, ended->status);
    else if (process) process_ended(process, ended->status);
    else if (starting) ended_while_starting(starting, ended->status, ended->executed);
    else keep_orphan(supervisor, ended);
}

/* A process that has ended and is not reaped yet; 0: none. */
static pid_t next_ended(void) {
    siginfo_t info = {0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? 0 : info.si_pid;
}

void supervisor_reap(struct supervisor *supervisor) {
    pid_t pid;
    while ((pid = next_ended()) > 0) {
        /* The kernel tells it until the process is reaped. */
        struct orphan ended = {.pid = pid};
        ended.executed = !start_is_under_way(supervisor) || execution_of(pid) == EXECUTION_DONE;
        if (waitpid(pid, &ended.status, 0) == pid) reaped(supervisor, &ended);
    }
    forget_orphans(supervisor);
    supervisor_check_end(supervisor);
}
