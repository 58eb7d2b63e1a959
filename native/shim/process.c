#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/process-control.h"
#include "common/protocol.h"
#include "supervisor.h"

#define CHUNK 16384
#define LAST_WORDS_MAX 8192

static void on_stdout(struct watch *watch, uint32_t events);
static void on_stderr(struct watch *watch, uint32_t events);
static void on_input(struct watch *watch, uint32_t events);

struct process *process_new(struct supervisor *supervisor, bool is_init, bool terminal) {
    struct process *process = calloc(1, sizeof(*process));
    if (!process) return NULL;
    *process = (struct process){
        .supervisor = supervisor,
        .is_init = is_init,
        .terminal = terminal,
        .output = {{.fd = -1, .ready = on_stdout}, {.fd = -1, .ready = on_stderr}},
        .input = {.fd = -1, .ready = on_input},
        .execution = {.fd = -1},
        .theirs = {-1, -1, -1, -1},
        .console = -1,
        .next = supervisor->processes,
    };
    unsigned number = is_init ? 0 : ++supervisor->exec_count;
    snprintf(process->pid_file, sizeof(process->pid_file), is_init ? "pid" : "exec-%u.pid", number);
    snprintf(process->console_path, sizeof(process->console_path), is_init ? "console.sock" : "exec-%u.sock", number);
    supervisor->processes = process;
    return process;
}

struct process *process_find(struct supervisor *supervisor, pid_t pid) {
    struct process *process = supervisor->processes;
    while (process && (process->pid != pid || process->ended)) process = process->next;
    return process;
}

/* One pipe: our end does not block, theirs is an ordinary one. */
static int open_pipe(int *ours, int *theirs, bool we_write) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    *ours = ends[we_write ? 1 : 0];
    *theirs = ends[we_write ? 0 : 1];
    return set_nonblocking(*ours);
}

int process_open(struct process *process, bool takes_input, struct failure *why) {
    process->takes_input = takes_input;
    if (open_pipe(&process->execution.fd, &process->theirs[3], false) < 0) return fail_errno(why, "the start's pipe");
    if (process->terminal) {
        process->console = listen_at(process->console_path, why);
        return process->console < 0 ? -1 : 0;
    }
    if (takes_input && open_pipe(&process->input.fd, &process->theirs[0], true) < 0) {
        return fail_errno(why, "the pipe of standard input");
    }
    for (int index = 0; index < 2; index++) {
        if (open_pipe(&process->output[index].fd, &process->theirs[index + 1], false) < 0) {
            return fail_errno(why, "the pipes of standard output");
        }
    }
    return 0;
}

static void close_theirs(struct process *process) {
    for (int index = 0; index < JOB_DESCRIPTORS; index++) close_fd(&process->theirs[index]);
}

static void close_console(struct process *process) {
    if (process->console < 0) return;
    close_fd(&process->console);
    unlink(process->console_path);
}

static int read_pid(struct process *process, struct failure *why) {
    AUTO_CLOSE file = open(process->pid_file, O_RDONLY | O_CLOEXEC);
    char text[32] = {0};
    if (file < 0 || read(file, text, sizeof(text) - 1) <= 0) return fail_errno(why, "the runtime's pid file");
    process->starting_pid = (pid_t)strtol(text, NULL, 10);
    /* PID 1's stays: it shows that the container has run. */
    if (!process->is_init) unlink(process->pid_file);
    return process->starting_pid > 0 ? 0 : fail(why, FAILURE_INTERNAL, "the runtime's pid file holds no pid");
}

static void apply_size(const struct process *process) {
    if (process->rows == 0 || process->output[0].fd < 0) return;
    struct winsize size = {.ws_row = process->rows, .ws_col = process->columns};
    if (ioctl(process->output[0].fd, TIOCSWINSZ, &size) < 0) log_line("resize: %s", strerror(errno));
}

/* The runtime has ended, so its message with the master is in the socket. */
static int take_terminal(struct process *process, struct failure *why) {
    AUTO_CLOSE connection = accept4(process->console, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0) return fail_errno(why, "the runtime gave no terminal");
    AUTO_CLOSE master = receive_fd(connection);
    if (master < 0 || set_nonblocking(master) < 0) return fail_errno(why, "the runtime gave no terminal");
    /* Reading and writing are watched separately, and epoll knows a descriptor once only. */
    if (process->takes_input) process->input.fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
    process->output[0].fd = take_fd(&master);
    apply_size(process);
    return 0;
}

int process_made(struct process *process, struct failure *why) {
    close_theirs(process);
    int result = read_pid(process, why);
    if (result == 0 && process->terminal) result = take_terminal(process, why);
    close_console(process);
    return result;
}

void process_started(struct process *process) {
    process->pid = process->starting_pid;
    process->starting_pid = 0;
    loop_close(&process->supervisor->loop, &process->execution);
    process_pace(process);
    process_feed(process);
}

void process_last_words(struct process *process, struct buffer *out) {
    int fd = process->output[process->terminal ? 0 : 1].fd;
    uint8_t *room = buffer_reserve(out, LAST_WORDS_MAX);
    size_t length = 0;
    ssize_t count = room && fd >= 0 ? 1 : 0;
    while (count > 0 && length < LAST_WORDS_MAX) {
        count = RETRY(read(fd, room + length, LAST_WORDS_MAX - length));
        if (count > 0) length += (size_t)count;
    }
    out->length += length;
}

static void close_output(struct process *process, int index) {
    loop_close(&process->supervisor->loop, &process->output[index]);
}

enum output_result { OUTPUT_MORE, OUTPUT_EMPTY, OUTPUT_END };

/* Reads once and passes it on: to the log first, so that what a client has seen is in the log as well. */
static enum output_result pass_output(struct process *process, int index, size_t *passed) {
    static uint8_t chunk[CHUNK];
    ssize_t count = RETRY(read(process->output[index].fd, chunk, sizeof(chunk)));
    if (count < 0 && errno == EAGAIN) return OUTPUT_EMPTY;
    if (count <= 0) return OUTPUT_END;
    if (process->is_init) {
        log_write(&process->supervisor->log, index == 0 ? LOG_STDOUT : LOG_STDERR, chunk, (size_t)count);
    }
    sessions_output(process, index == 1, chunk, (size_t)count);
    *passed += (size_t)count;
    return OUTPUT_MORE;
}

static void on_output(struct process *process, int index) {
    size_t passed = 0;
    if (pass_output(process, index, &passed) != OUTPUT_END) return;
    /* A terminal that nobody has open now may be opened again: it is only left alone until the end. */
    if (process->terminal) loop_watch(&process->supervisor->loop, &process->output[index], 0);
    else close_output(process, index);
}

static void on_stdout(struct watch *watch, uint32_t events) {
    (void)events;
    on_output(container_of(watch, struct process, output[0]), 0);
}

static void on_stderr(struct watch *watch, uint32_t events) {
    (void)events;
    on_output(container_of(watch, struct process, output[1]), 1);
}

/* So much can be in a terminal; a pipe knows its size. */
#define TERMINAL_CAPACITY (1024 * 1024)

/*
 * The process is dead, so all that it wrote is here already, and is no more than the pipe holds. Descendants that still
 * have the pipe are not waited for, however much they write.
 */
static void drain(struct process *process) {
    for (int index = 0; index < 2; index++) {
        int fd = process->output[index].fd;
        if (fd < 0) continue;
        long capacity = process->terminal ? TERMINAL_CAPACITY : fcntl(fd, F_GETPIPE_SZ);
        size_t passed = 0;
        while ((long)passed < capacity && pass_output(process, index, &passed) == OUTPUT_MORE) continue;
        close_output(process, index);
    }
}

void process_pace(struct process *process) {
    bool lags = sessions_lag(process);
    for (int index = 0; index < 2; index++) {
        loop_watch(&process->supervisor->loop, &process->output[index], lags || process->pid == 0 ? 0 : EPOLLIN);
    }
}

static int exit_code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void process_ended(struct process *process, int status) {
    process->ended = true;
    process->exit_code = exit_code_of(status);
    process->end_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    drain(process);
    process_close_input(process);
    if (process->is_init) {
        supervisor_init_ended(process->supervisor);
        return;
    }
    sessions_exited(process);
    process_free(process);
}

void process_free(struct process *process) {
    struct supervisor *supervisor = process->supervisor;
    for (struct process **link = &supervisor->processes; *link; link = &(*link)->next) {
        if (*link != process) continue;
        *link = process->next;
        break;
    }
    for (struct session *session = supervisor->sessions; session; session = session->next) {
        if (session->process == process) session->process = NULL;
    }
    close_theirs(process);
    close_console(process);
    loop_close(&supervisor->loop, &process->execution);
    loop_close(&supervisor->loop, &process->input);
    for (int index = 0; index < 2; index++) close_output(process, index);
    free(process);
}

/* A session whose input was taken, or can never be, gets its answer. */
static void answer_input(struct session *session, bool taken) {
    session->input_waits = false;
    buffer_free(&session->input);
    if (taken) {
        connection_send(&session->connection, MESSAGE_OK, session->input_request, NULL, 0);
    } else {
        struct failure why;
        fail(&why, FAILURE_CONFLICT, "the process takes no input any more");
        connection_refuse(&session->connection, session->input_request, &why);
    }
    if (session->close_waits) {
        session->close_waits = false;
        connection_send(&session->connection, MESSAGE_OK, session->close_request, NULL, 0);
        if (session->process) process_close_input(session->process);
    }
}

static struct session *next_with_input(const struct process *process) {
    struct session *session = process->supervisor->sessions;
    while (session && !(session->process == process && session->input_waits)) session = session->next;
    return session;
}

void process_feed(struct process *process) {
    struct session *session;
    while ((session = next_with_input(process))) {
        bool open = process->input.fd >= 0;
        /* A terminal comes with the start, and would echo. */
        if (process->pid == 0 && process->takes_input && (process->terminal || !open)) return;
        if (!open) {
            answer_input(session, false);
            continue;
        }
        ssize_t count = RETRY(write(process->input.fd, session->input.data, session->input.length));
        if (count < 0 && errno == EAGAIN) {
            loop_watch(&process->supervisor->loop, &process->input, EPOLLOUT);
            return;
        }
        if (count < 0) {
            loop_close(&process->supervisor->loop, &process->input);
            continue;
        }
        buffer_consume(&session->input, (size_t)count);
        if (session->input.length == 0) answer_input(session, true);
    }
    loop_watch(&process->supervisor->loop, &process->input, 0);
}

static void on_input(struct watch *watch, uint32_t events) {
    (void)events;
    process_feed(container_of(watch, struct process, input));
}

void process_close_input(struct process *process) {
    process->takes_input = false;
    loop_close(&process->supervisor->loop, &process->input);
    process_feed(process); /* refuses what still waits */
}

int process_signal(struct process *process, uint64_t number, struct failure *why) {
    if (process->pid == 0 || process->ended) return fail(why, FAILURE_CONFLICT, "the process does not run");
    return send_signal(process->pid, number, why);
}

int process_resize(struct process *process, uint64_t rows, uint64_t columns, struct failure *why) {
    if (!process->terminal) return fail(why, FAILURE_CONFLICT, "the process has no terminal");
    struct winsize size;
    if (window_size(rows, columns, &size, why) < 0) return -1;
    process->rows = size.ws_row;
    process->columns = size.ws_col;
    apply_size(process);
    return 0;
}
