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

#include "common/guest-protocol.h"
#include "common/io.h"
#include "common/process-control.h"
#include "launch.h"
#include "stop.h"
#include "streams.h"

static void on_channel(struct watch *watch, uint32_t events);

/* The other ends of a new process's streams. */
struct their_ends {
    int standard[3];
    int connection;
    int channel;
};

struct process *process_find(struct guest *guest, uint16_t id) {
    struct process *process = guest->processes;
    while (process && process->id != id) process = process->next;
    return process;
}

struct process *process_of_pid(struct guest *guest, pid_t pid) {
    struct process *process = guest->processes;
    while (process && (process->pid != pid || process->ended)) process = process->next;
    return process;
}

static struct process *process_new(struct guest *guest, uint16_t id, const struct process_plan *plan) {
    struct process *process = calloc(1, sizeof(*process));
    if (!process) return NULL;
    process->guest = guest;
    process->id = id;
    process->is_main = id == GUEST_MAIN_PROCESS && !plan->worker;
    process->is_worker = plan->worker != 0;
    process->is_probe = plan->probe;
    process->terminal = plan->terminal;
    process->kills_before = memory_kills();
    process->stop_signal = plan->stop_group ? (int)plan->stop_signal : 0;
    process->channel = (struct watch){.fd = -1, .ready = on_channel};
    process->grace = (struct watch){.fd = -1};
    streams_init(process);
    process->next = guest->processes;
    guest->processes = process;
    return process;
}

void process_free(struct process *process) {
    struct guest *guest = process->guest;
    for (struct process **link = &guest->processes; *link; link = &(*link)->next) {
        if (*link != process) continue;
        *link = process->next;
        break;
    }
    streams_close(process);
    loop_close(&guest->loop, &process->channel);
    loop_close(&guest->loop, &process->grace);
    free(process);
}

/* One pipe: our end does not block, theirs is an ordinary one. */
static int open_pipe(int *ours, int *theirs, bool we_write) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    *ours = ends[we_write ? 1 : 0];
    *theirs = ends[we_write ? 0 : 1];
    return set_nonblocking(*ours);
}

static int open_pipes(struct process *process, bool takes_input, struct their_ends *theirs) {
    theirs->standard[0] = -1;
    if (takes_input) {
        if (open_pipe(&process->input.fd, &theirs->standard[0], true) < 0) return -1;
    } else {
        theirs->standard[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (theirs->standard[0] < 0) return -1;
    }
    for (int index = 0; index < 2; index++) {
        if (open_pipe(&process->output[index].watch.fd, &theirs->standard[index + 1], false) < 0) return -1;
    }
    return 0;
}

/* What the worker says about its own failures goes to its standard error, which is the process's as any other's. */
static int open_connection(struct process *process, struct their_ends *theirs) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -1;
    process->output[0].watch.fd = ends[0];
    theirs->connection = ends[1];
    process->input.fd = fcntl(ends[0], F_DUPFD_CLOEXEC, 3);
    if (process->input.fd < 0 || set_nonblocking(ends[0]) < 0) return -1;
    theirs->standard[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    theirs->standard[1] = fcntl(theirs->standard[0], F_DUPFD_CLOEXEC, 3);
    return open_pipe(&process->output[1].watch.fd, &theirs->standard[2], false);
}

static int open_ends(struct process *process, const struct process_plan *plan, struct their_ends *theirs,
                     struct failure *why) {
    int channel[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0) return fail_errno(why, "no channel");
    process->channel.fd = channel[0];
    theirs->channel = channel[1];
    int result = 0;
    if (plan->worker) result = open_connection(process, theirs);
    else if (!plan->terminal) result = open_pipes(process, plan->takes_input, theirs);
    if (result < 0) return fail_errno(why, "no pipes");
    return loop_watch(&process->guest->loop, &process->channel, EPOLLIN) < 0 ? fail_errno(why, "no channel") : 0;
}

static void close_ends(struct their_ends *theirs) {
    for (int index = 0; index < 3; index++) close_fd(&theirs->standard[index]);
    close_fd(&theirs->connection);
    close_fd(&theirs->channel);
}

static int launch(struct process *process, const struct process_plan *plan, struct failure *why) {
    struct their_ends theirs = {.standard = {-1, -1, -1}, .connection = -1, .channel = -1};
    int result = open_ends(process, plan, &theirs, why);
    if (result == 0) {
        struct guest *guest = process->guest;
        struct launch how = {.process = plan,
                             .setup = process->is_main && !plan->worker ? &guest->setup : NULL,
                             .namespaces = &guest->namespaces,
                             .own_pid_namespace = guest->own_pid_namespace,
                             .standard = {theirs.standard[0], theirs.standard[1], theirs.standard[2]},
                             .connection = theirs.connection,
                             .channel = theirs.channel};
        process->pid = launch_process(&how, why);
        result = process->pid < 0 ? -1 : 0;
    }
    close_ends(&theirs);
    return result;
}

static int check_order(struct guest *guest, uint16_t id, const struct process_plan *plan, struct failure *why) {
    const struct process *main = process_find(guest, GUEST_MAIN_PROCESS);
    if (!guest->is_set_up) return fail(why, FAILURE_CONFLICT, "the machine is not set up");
    if (process_find(guest, id)) return fail(why, FAILURE_CONFLICT, "there is a process %u", id);
    if (plan->worker) return 0;
    if (id == GUEST_MAIN_PROCESS) {
        return guest->namespaces.pid < 0 ? 0 : fail(why, FAILURE_CONFLICT, "the machine's process has ended");
    }
    return main && main->started && !main->ended ? 0 : fail(why, FAILURE_CONFLICT, "the machine's process does not run");
}

int process_start(struct guest *guest, uint16_t id, const struct process_plan *plan, struct failure *why) {
    if (check_order(guest, id, plan, why) < 0) return -1;
    struct process *process = process_new(guest, id, plan);
    if (!process) return fail_errno(why, "the process");
    /* With a terminal there is one only once the process has made it. */
    process->input_ends = plan->terminal && !plan->takes_input;
    if (launch(process, plan, why) == 0) return 0;
    process_free(process);
    return -1;
}

/* The first process's namespaces are what all others join; they are held, so that a lookup by number never meets another. */
static void hold_namespaces(struct process *process) {
    struct namespaces *held = &process->guest->namespaces;
    const struct {
        const char *name;
        int *into;
    } all[] = {{"pid", &held->pid}, {"mnt", &held->mount}, {"ipc", &held->ipc}, {"uts", &held->uts}, {"cgroup", &held->cgroup}};
    for (size_t index = 0; index < sizeof(all) / sizeof(*all); index++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)process->pid, all[index].name);
        *all[index].into = open(path, O_RDONLY | O_CLOEXEC);
        if (*all[index].into < 0) log_line("%s: %s", path, strerror(errno));
    }
}

static void report_started(struct process *process) {
    struct guest *guest = process->guest;
    AUTO_BUFFER payload = {0};
    if (process->is_main) hold_namespaces(process);
    process->started = true;
    field_append_number(&payload, GUEST_TAG_PID, (uint64_t)process->pid);
    port_send(&guest->port, GUEST_STARTED, process->id, payload.data, payload.length);
    streams_start(process);
}

/* Whoever made the first process's root half cannot make it again: the host ends the machine. */
static void report_failed(struct process *process, const char *word, size_t length) {
    struct failure why;
    const char *kind = word + 1;
    size_t kind_length = strnlen(kind, length - 1);
    const char *message = kind_length + 2 < length ? kind + kind_length + 1 : "";
    fail(&why, FAILURE_INTERNAL, "%.*s", (int)(length - 2 - kind_length), message);
    snprintf(why.kind, sizeof(why.kind), "%.*s", (int)kind_length, kind);
    process->failed = true;
    port_refuse(&process->guest->port, process->id, &why);
}

static void take_terminal(struct process *process, int master) {
    process->output[0].watch.fd = master;
    set_nonblocking(master);
    /* Reading and writing are watched separately, and epoll knows a descriptor once only. */
    if (!process->input_ends) process->input.fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
    if (process->rows == 0) return;
    struct winsize size = {.ws_row = process->rows, .ws_col = process->columns};
    ioctl(master, TIOCSWINSZ, &size);
}

/* One word of the new process, with the descriptor that it may hold. */
static ssize_t receive_word(int channel, char *word, size_t size, int *descriptor) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = word, .iov_len = size};
    /* Without the padding, which the kernel would take for room for another one. */
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t length = RETRY(recvmsg(channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
    *descriptor = -1;
    struct cmsghdr *header = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(descriptor, CMSG_DATA(header), sizeof(*descriptor));
    return length;
}

/* Takes what the new process has said; false when there is nothing more for now. */
static bool take_word(struct process *process) {
    char word[LAUNCH_WORD_MAX];
    int descriptor;
    ssize_t length = receive_word(process->channel.fd, word, sizeof(word), &descriptor);
    if (length < 0 && errno == EAGAIN) return false;
    if (length > 0 && word[0] == LAUNCH_TERMINAL && descriptor >= 0) {
        take_terminal(process, descriptor);
        return true;
    }
    if (length > 1 && word[0] == LAUNCH_FAILED) report_failed(process, word, (size_t)length);
    else report_started(process);
    loop_close(&process->guest->loop, &process->channel);
    return false;
}

static void on_channel(struct watch *watch, uint32_t events) {
    struct process *process = container_of(watch, struct process, channel);
    (void)events;
    while (take_word(process)) continue;
}

int process_signal(struct process *process, uint64_t number, struct failure *why) {
    if (!process->started || process->ended) return fail(why, FAILURE_CONFLICT, "the process does not run");
    bool is_stop = process->is_main && number > 0 && number == (uint64_t)process->stop_signal;
    return is_stop ? stop_processes(process, why) : send_signal(process->pid, number, why);
}

int process_resize(struct process *process, uint64_t rows, uint64_t columns, struct failure *why) {
    if (!process->terminal) return fail(why, FAILURE_CONFLICT, "the process has no terminal");
    struct winsize size;
    if (window_size(rows, columns, &size, why) < 0) return -1;
    process->rows = size.ws_row;
    process->columns = size.ws_col;
    int master = process->output[0].watch.fd;
    return master >= 0 && ioctl(master, TIOCSWINSZ, &size) < 0 ? fail_errno(why, "the terminal's size") : 0;
}

void process_ended(struct process *process, int status) {
    /* The end of its channel may be seen later than its own. */
    while (process->channel.fd >= 0 && take_word(process)) continue;
    process->ended = true;
    process->status = status;
    streams_drain(process);
    if (process->failed) process_free(process);
    else exit_if_sent(process);
}

void exit_if_sent(struct process *process) {
    if (!process->ended || !process->started || !streams_are_sent(process)) return;
    bool is_signalled = WIFSIGNALED(process->status);
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, GUEST_TAG_CODE,
                        (uint64_t)(is_signalled ? 128 + WTERMSIG(process->status) : WEXITSTATUS(process->status)));
    field_append_number(&payload, GUEST_TAG_END_SIGNAL, (uint64_t)(is_signalled ? WTERMSIG(process->status) : 0));
    field_append_number(&payload, GUEST_TAG_OUT_OF_MEMORY, memory_kills() > process->kills_before ? 1 : 0);
    port_send(&process->guest->port, GUEST_EXITED, process->id, payload.data, payload.length);
    process_free(process);
}
