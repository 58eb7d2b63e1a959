#include "proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client.h"
#include "common/connection.h"
#include "common/io.h"
#include "common/vm-plan.h"
#include "guest.h"
#include "launch.h"
#include "pass-descriptors.h"
#include "runtime-log.h"
#include "terminal.h"

#define REQUEST_ID 1

struct proxy {
    struct loop loop;
    const struct options *options;
    int log;
    int report;   /* to `berth-vm exec`; -1 when it knows */
    int terminal; /* -1: none */
    struct connection monitor;
    struct watch signals;
    bool started;
    bool ended;
    uint64_t code;
    uint64_t signal;
};

static void take_end(struct proxy *proxy, const struct frame *frame) {
    struct field field;
    size_t at = 0;
    while (field_next(frame->payload, frame->length, &at, &field) == FIELD_NEXT) {
        if (field.tag == GUEST_TAG_CODE && !field_number(&field, &proxy->code)) return;
        if (field.tag == GUEST_TAG_END_SIGNAL && !field_number(&field, &proxy->signal)) return;
    }
    proxy->ended = true;
    proxy->loop.stopped = true;
}

static void on_frame(struct connection *connection, const struct frame *frame) {
    struct proxy *proxy = container_of(connection, struct proxy, monitor);
    struct failure why;
    switch (frame->type) {
        case GUEST_STARTED:
            proxy->started = true;
            if (write(proxy->report, "S", 1) < 0) proxy->loop.stopped = true; /* nobody waits: the process is killed */
            close_fd(&proxy->report);
            break;
        case GUEST_EXITED: take_end(proxy, frame); break;
        case GUEST_ERROR:
            guest_failure(frame, &why);
            runtime_log(proxy->log, "error", why.message);
            proxy->ended = true;
            proxy->code = 1;
            proxy->loop.stopped = true;
            break;
        default: break;
    }
}

static void on_closed(struct connection *connection) {
    struct proxy *proxy = container_of(connection, struct proxy, monitor);
    proxy->loop.stopped = true;
}

static const struct connection_events EVENTS = {.frame = on_frame, .closed = on_closed};

/* ---- signals ---- */

static void send_size(struct proxy *proxy) {
    uint16_t rows;
    uint16_t columns;
    AUTO_BUFFER fields = {0};
    if (terminal_size(proxy->terminal, &rows, &columns) < 0) return;
    field_append_number(&fields, GUEST_TAG_ROWS, rows);
    field_append_number(&fields, GUEST_TAG_COLUMNS, columns);
    connection_send(&proxy->monitor, GUEST_RESIZE, 0, fields.data, fields.length);
}

static void on_signal(struct watch *watch, uint32_t events) {
    (void)events;
    struct proxy *proxy = container_of(watch, struct proxy, signals);
    struct signalfd_siginfo signal;
    AUTO_BUFFER fields = {0};
    if (RETRY(read(watch->fd, &signal, sizeof(signal))) != (ssize_t)sizeof(signal)) return;
    if (signal.ssi_signo == SIGCHLD || signal.ssi_pid == (uint32_t)getpid()) return;
    if (signal.ssi_signo == SIGWINCH && proxy->terminal >= 0) {
        send_size(proxy);
        return;
    }
    field_append_number(&fields, GUEST_TAG_NUMBER, signal.ssi_signo);
    connection_send(&proxy->monitor, GUEST_SIGNAL, 0, fields.data, fields.length);
}

static int open_signals(struct proxy *proxy, struct failure *why) {
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0) return fail_errno(why, "signals");
    proxy->signals = (struct watch){.fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
    if (proxy->signals.fd < 0 || loop_watch(&proxy->loop, &proxy->signals, EPOLLIN) < 0) {
        return fail_errno(why, "signals");
    }
    return 0;
}

/* ---- the start ---- */

static int read_payload(const struct options *options, struct buffer *payload, struct failure *why) {
    AUTO_CLOSE file = options->process ? open(options->process, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0 && read_until_end(file, payload, GUEST_REQUEST_MAX) == 0) return 0;
    return fail_errno(why, "the process's description (--process)");
}

/* Ours are not needed any more: whoever waits for their end waits for the monitor's. */
static void give_up_streams(void) {
    AUTO_CLOSE null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int index = 0; null >= 0 && index < 3; index++) dup2(null, index);
}

static int ask(struct proxy *proxy, struct failure *why) {
    AUTO_BUFFER payload = {0};
    AUTO_BUFFER request = {0};
    AUTO_CLOSE connection = client_connect(proxy->options, why);
    if (connection < 0 || read_payload(proxy->options, &payload, why) < 0) return -1;
    if (frame_append(&request, VM_CONTROL_EXEC, REQUEST_ID, payload.data, payload.length) < 0) {
        return fail(why, FAILURE_INTERNAL, "no memory");
    }
    AUTO_CLOSE null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int terminal = proxy->terminal;
    const int streams[] = {terminal < 0 ? 0 : terminal, terminal < 0 ? 1 : terminal, terminal < 0 ? 2 : null};
    if (send_with_descriptors(connection, request.data, request.length, streams, 3) < 0) {
        return fail_errno(why, "the monitor of the virtual machine");
    }
    give_up_streams();
    if (set_nonblocking(connection) < 0 ||
        connection_open(&proxy->monitor, &proxy->loop, take_fd(&connection), GUEST_ANSWER_MAX, &EVENTS) < 0) {
        return fail_errno(why, "the monitor's connection");
    }
    return 0;
}

static int run(struct proxy *proxy, struct failure *why) {
    if (loop_open(&proxy->loop) < 0 || setsid() < 0) return fail_errno(why, "the process's stand-in");
    if (open_signals(proxy, why) < 0) return -1;
    if (proxy->options->console_socket) {
        proxy->terminal = terminal_open(proxy->options->console_socket, why);
        if (proxy->terminal < 0) return -1;
    }
    if (ask(proxy, why) < 0) return -1;
    if (loop_run(&proxy->loop) < 0) return fail_errno(why, "the event loop");
    if (proxy->ended || proxy->started) return 0;
    return fail(why, FAILURE_UNAVAILABLE, "the virtual machine has ended");
}

int proxy_run(const struct options *options) {
    struct failure why;
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    if (!proxy) return 1;
    proxy->options = options;
    proxy->log = runtime_log_open(options->log);
    proxy->report = LAUNCH_REPORT;
    proxy->terminal = -1;
    if (run(proxy, &why) < 0) {
        runtime_log(proxy->log, "error", why.message);
        return 1;
    }
    /* A machine takes its processes with it, as SIGKILL does. */
    if (!proxy->ended) exit_as(0, SIGKILL);
    exit_as((int)proxy->code, (int)proxy->signal);
}
