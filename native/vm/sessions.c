/* The control socket: what berthd and the proxies of `berth-vm exec` ask (common/vm-plan.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/connection.h"
#include "common/io.h"
#include "common/vm-plan.h"
#include "monitor.h"
#include "pass-descriptors.h"

/* What comes may be as long as what the guest takes. */
#define REQUEST_MAX GUEST_REQUEST_MAX

struct session {
    uint64_t number; /* no other session ever has it */
    struct monitor *monitor;
    struct watch first; /* until its first byte has come, with which descriptors come */
    struct connection connection;
    bool is_open; /* it is a connection */
    int streams[PASSED_MAX];
    struct process *process; /* its own, if it has one */
    uint16_t process_request;
    struct session *next;
};

/* A question to the guest or to QEMU, for a session that may go before the answer comes. */
struct errand {
    struct monitor *monitor;
    uint64_t session;
    uint16_t request;
};

static void answer(struct session *session, uint16_t request, uint8_t type) {
    connection_send(&session->connection, type, request, NULL, 0);
}

static void refuse(struct session *session, uint16_t request, const char *kind, const char *message) {
    struct failure why;
    fail(&why, kind, "%s", message);
    connection_refuse(&session->connection, request, &why);
}

static struct errand *errand_new(struct session *session, uint16_t request) {
    struct errand *errand = malloc(sizeof(*errand));
    if (errand) *errand = (struct errand){session->monitor, session->number, request};
    return errand;
}

/* Who waits for it still: NULL, nobody. The errand is done. */
static struct session *errand_end(struct errand *errand, uint16_t *request) {
    struct session *session = errand->monitor->sessions;
    while (session && session->number != errand->session) session = session->next;
    *request = errand->request;
    free(errand);
    return session;
}

/* ---- the end of a session ---- */

static void session_free(struct session *session) {
    struct monitor *monitor = session->monitor;
    for (struct session **link = &monitor->sessions; *link; link = &(*link)->next) {
        if (*link != session) continue;
        *link = session->next;
        break;
    }
    if (session->process) {
        session->process->context = NULL;
        process_signal(session->process, SIGKILL);
    }
    for (size_t index = 0; index < PASSED_MAX; index++) close_fd(&session->streams[index]);
    if (session->is_open) connection_release(&session->connection);
    else loop_close(&monitor->loop, &session->first);
    free(session);
}

/* ---- passed on to the guest ---- */

static void on_guest_answer(struct request *request, const struct frame *frame) {
    uint16_t id;
    struct session *session = errand_end(request->context, &id);
    if (session) connection_send(&session->connection, frame->type, id, frame->payload, frame->length);
}

static void pass_on(struct session *session, const struct frame *frame) {
    struct guest *guest = &session->monitor->guest;
    struct errand *errand = errand_new(session, frame->id);
    if (errand && guest_ask(guest, frame->type, frame->payload, frame->length, on_guest_answer, errand)) return;
    free(errand);
    refuse(session, frame->id, FAILURE_UNAVAILABLE, "the guest has too many requests under way");
}

/* ---- pause and resume ---- */

static void on_paused(void *context, const struct failure *why) {
    struct errand *errand = context;
    struct monitor *monitor = errand->monitor;
    uint16_t id;
    struct session *session = errand_end(errand, &id);
    if (!why) monitor->is_paused = true;
    if (session && why) connection_refuse(&session->connection, id, why);
    else if (session) answer(session, id, GUEST_OK);
}

static void on_time_set(struct request *request, const struct frame *frame) {
    uint16_t id;
    struct session *session = errand_end(request->context, &id);
    if (!session) return;
    if (frame->type == GUEST_ERROR) connection_send(&session->connection, GUEST_ERROR, id, frame->payload, frame->length);
    else answer(session, id, GUEST_OK);
}

/* The guest's clock stood still with its processors. */
static void on_resumed(void *context, const struct failure *why) {
    struct errand *errand = context;
    struct monitor *monitor = errand->monitor;
    AUTO_BUFFER time = {0};
    if (!why) monitor->is_paused = false;
    if (!why && field_append_number(&time, GUEST_TAG_TIME, now()) == 0 &&
        guest_ask(&monitor->guest, GUEST_SET_TIME, time.data, time.length, on_time_set, errand)) {
        return;
    }
    uint16_t id;
    struct session *session = errand_end(errand, &id);
    if (session && why) connection_refuse(&session->connection, id, why);
    else if (session) refuse(session, id, FAILURE_INTERNAL, "the guest's clock could not be set");
}

static void freeze(struct session *session, const struct frame *frame) {
    bool pause = frame->type == VM_CONTROL_PAUSE;
    struct errand *errand = errand_new(session, frame->id);
    const char *command = pause ? "{\"execute\":\"stop\"}" : "{\"execute\":\"cont\"}";
    if (errand && qmp_do(&session->monitor->qmp, command, pause ? on_paused : on_resumed, errand) == 0) return;
    free(errand);
    refuse(session, frame->id, FAILURE_INTERNAL, "QEMU cannot be asked");
}

/* ---- processes ---- */

static int append_end(struct buffer *out, const struct process *process) {
    if (field_append_number(out, GUEST_TAG_CODE, (uint64_t)process->code) < 0) return -1;
    if (field_append_number(out, GUEST_TAG_END_SIGNAL, (uint64_t)process->signal) < 0) return -1;
    return field_append_number(out, GUEST_TAG_OUT_OF_MEMORY, process->out_of_memory);
}

static void send_started(struct session *session, uint64_t pid) {
    AUTO_BUFFER fields = {0};
    field_append_number(&fields, GUEST_TAG_PID, pid);
    connection_send(&session->connection, GUEST_STARTED, session->process_request, fields.data, fields.length);
}

static void on_started(struct process *process, uint64_t pid) {
    if (process->context) send_started(process->context, pid);
    else process_signal(process, SIGKILL); /* who asked for it has gone */
}

static void on_refused(struct process *process, const struct failure *why) {
    struct session *session = process->context;
    if (!session) return;
    session->process = NULL;
    connection_refuse(&session->connection, session->process_request, why);
    connection_finish(&session->connection);
}

static void on_ended(struct process *process) {
    struct session *session = process->context;
    AUTO_BUFFER fields = {0};
    if (!session) return;
    session->process = NULL;
    append_end(&fields, process);
    connection_send(&session->connection, GUEST_EXITED, session->process_request, fields.data, fields.length);
    connection_finish(&session->connection);
}

/* The connection is the process's from now on. */
static void on_stream_started(struct process *process, uint64_t pid) {
    struct session *session = process->context;
    if (!session) {
        process_signal(process, SIGKILL);
        return;
    }
    send_started(session, pid);
    int stream = fcntl(session->connection.watch.fd, F_DUPFD_CLOEXEC, 3);
    process->context = NULL;
    session->process = NULL;
    session_free(session);
    if (stream < 0) process_signal(process, SIGKILL);
    else process_connect(process, stream);
}

static void on_stream_ended(struct process *process) {
    struct session *session = process->context;
    if (!session) return;
    session->process = NULL;
    connection_finish(&session->connection);
}

static const struct process_events EXEC_EVENTS = {.started = on_started, .refused = on_refused, .ended = on_ended};
static const struct process_events STREAM_EVENTS = {
    .started = on_stream_started, .refused = on_refused, .ended = on_stream_ended};

static void start_process(struct session *session, const struct frame *frame) {
    bool is_stream = frame->type == VM_CONTROL_STREAM;
    if (session->process || (!is_stream && session->streams[PASSED_MAX - 1] < 0)) {
        refuse(session, frame->id, FAILURE_INVALID, "a connection has one process, with three descriptors");
        return;
    }
    session->process_request = frame->id;
    session->process = process_start(&session->monitor->guest, frame->payload, frame->length, session->streams,
                                     is_stream ? &STREAM_EVENTS : &EXEC_EVENTS, session);
    if (!session->process) refuse(session, frame->id, FAILURE_UNAVAILABLE, "there is no room for another process");
}

/* Two numbers of a frame; those that are missing are 0. */
static void read_pair(const struct frame *frame, uint16_t first_tag, uint64_t *first, uint16_t second_tag,
                      uint64_t *second) {
    struct field field;
    size_t at = 0;
    *first = *second = 0;
    while (field_next(frame->payload, frame->length, &at, &field) == FIELD_NEXT) {
        if (field.tag == first_tag && !field_number(&field, first)) *first = 0;
        if (field.tag == second_tag && !field_number(&field, second)) *second = 0;
    }
}

static void control_process(struct session *session, const struct frame *frame) {
    uint64_t first;
    uint64_t second;
    if (!session->process) return; /* it has just ended */
    if (frame->type == GUEST_SIGNAL) {
        read_pair(frame, GUEST_TAG_NUMBER, &first, GUEST_TAG_NUMBER, &second);
        if (first > 0 && first <= (uint64_t)SIGRTMAX) process_signal(session->process, (int)first);
        return;
    }
    read_pair(frame, GUEST_TAG_ROWS, &first, GUEST_TAG_COLUMNS, &second);
    if (first <= UINT16_MAX && second <= UINT16_MAX) {
        process_resize(session->process, (uint16_t)first, (uint16_t)second);
    }
}

/* ---- the machine itself ---- */

static void send_state(struct session *session, const struct frame *frame) {
    const struct monitor *monitor = session->monitor;
    AUTO_BUFFER fields = {0};
    field_append_number(&fields, VM_STATE_PID, (uint64_t)monitor->qemu);
    field_append_number(&fields, VM_STATE_MACHINE, monitor->machine);
    field_append_number(&fields, VM_STATE_READY, monitor->ready_after);
    field_append_number(&fields, VM_STATE_STARTED, monitor->executed_after);
    for (size_t index = 0; index < monitor->machine; index++) {
        field_append_text(&fields, VM_STATE_PASSED_OVER, monitor->passed_over[index].message);
    }
    connection_send(&session->connection, VM_CONTROL_STATE_IS, frame->id, fields.data, fields.length);
}

static void on_frame(struct connection *connection, const struct frame *frame) {
    struct session *session = container_of(connection, struct session, connection);
    const struct monitor *monitor = session->monitor;
    bool needs_guest = frame->type != VM_CONTROL_RESUME && frame->type != VM_CONTROL_STATE;
    if (monitor->phase != PHASE_RUNNING) {
        refuse(session, frame->id, FAILURE_CONFLICT, "the virtual machine does not run");
        return;
    }
    if (monitor->is_paused && needs_guest && !session->process) {
        refuse(session, frame->id, FAILURE_CONFLICT, "the virtual machine is paused");
        return;
    }
    switch (frame->type) {
        case VM_CONTROL_EXEC:
        case VM_CONTROL_STREAM: start_process(session, frame); break;
        case VM_CONTROL_PAUSE:
        case VM_CONTROL_RESUME: freeze(session, frame); break;
        case VM_CONTROL_STATE: send_state(session, frame); break;
        case GUEST_SIGNAL:
        case GUEST_RESIZE: control_process(session, frame); break;
        case GUEST_KILL_ALL:
        case GUEST_PUT_FILE:
        case GUEST_STATISTICS:
        case GUEST_PROCESSES: pass_on(session, frame); break;
        default: refuse(session, frame->id, FAILURE_NOT_IMPLEMENTED, "a monitor does not understand this request");
    }
}

static void on_closed(struct connection *connection) {
    session_free(container_of(connection, struct session, connection));
}

static const struct connection_events CONNECTION_EVENTS = {.frame = on_frame, .closed = on_closed};

/* ---- the beginning of a session ---- */

/* Descriptors come with the first byte, which is the beginning of a frame like any other. */
static void on_first(struct watch *watch, uint32_t events) {
    (void)events;
    struct session *session = container_of(watch, struct session, first);
    struct loop *loop = &session->monitor->loop;
    uint8_t byte;
    size_t count;
    ssize_t received = receive_with_descriptors(watch->fd, &byte, 1, session->streams, &count);
    if (received < 0 && errno == EAGAIN) return;
    if (received != 1) {
        session_free(session);
        return;
    }
    loop_watch(loop, watch, 0);
    if (connection_open(&session->connection, loop, take_fd(&watch->fd), REQUEST_MAX, &CONNECTION_EVENTS) < 0) {
        session_free(session);
        return;
    }
    session->is_open = true;
    if (buffer_append(&session->connection.in, &byte, 1) < 0) session_free(session);
}

static void on_connection(struct watch *watch, uint32_t events) {
    (void)events;
    static uint64_t last_number;
    struct monitor *monitor = container_of(watch, struct monitor, listening);
    AUTO_CLOSE fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct session *session = fd < 0 ? NULL : calloc(1, sizeof(*session));
    if (!session) return;
    session->number = ++last_number;
    session->monitor = monitor;
    session->first = (struct watch){.fd = take_fd(&fd), .ready = on_first};
    for (size_t index = 0; index < PASSED_MAX; index++) session->streams[index] = -1;
    session->next = monitor->sessions;
    monitor->sessions = session;
    if (loop_watch(&monitor->loop, &session->first, EPOLLIN) < 0) session_free(session);
}

int sessions_open(struct monitor *monitor, struct failure *why) {
    char path[64];
    /* By the folder's descriptor: its path may be longer than a socket's can be. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d/" VM_CONTROL_SOCKET, monitor->folder);
    monitor->listening = (struct watch){.fd = listen_at(path, why), .ready = on_connection};
    if (monitor->listening.fd < 0) return -1;
    if (loop_watch(&monitor->loop, &monitor->listening, EPOLLIN) < 0) return fail_errno(why, "the control socket");
    return 0;
}
