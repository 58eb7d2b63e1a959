/* The control socket: what berthd and the proxies of `berth-vm exec` ask (common/vm-plan.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "common/vm-plan.h"
#include "session.h"

/* What comes may be as long as what the guest takes. */
#define REQUEST_MAX GUEST_REQUEST_MAX

void session_answer(struct session *session, uint16_t request, uint8_t type) {
    connection_send(&session->connection, type, request, NULL, 0);
}

void session_refuse(struct session *session, uint16_t request, const char *kind, const char *message) {
    struct failure why;
    fail(&why, kind, "%s", message);
    connection_refuse(&session->connection, request, &why);
}

void session_pass_on(struct session *session, uint16_t request, const struct frame *answer) {
    struct failure why;
    if (answer->type == GUEST_ERROR) {
        guest_failure(answer, &why);
        connection_refuse(&session->connection, request, &why);
    } else {
        connection_send(&session->connection, answer->type, request, answer->payload, answer->length);
    }
}

struct errand *errand_new(struct session *session, uint16_t request) {
    struct errand *errand = malloc(sizeof(*errand));
    if (errand) *errand = (struct errand){session->monitor, session->number, request};
    return errand;
}

struct session *errand_end(struct errand *errand, uint16_t *request) {
    struct session *session = errand->monitor->sessions;
    while (session && session->number != errand->session) session = session->next;
    *request = errand->request;
    free(errand);
    return session;
}

/* ---- the end of a session ---- */

void session_free(struct session *session) {
    struct monitor *monitor = session->monitor;
    for (struct session **link = &monitor->sessions; *link; link = &(*link)->next) {
        if (*link != session) continue;
        *link = session->next;
        break;
    }
    if (session->process) process_abandon(session->process);
    for (size_t index = 0; index < PASSED_MAX; index++) close_fd(&session->streams[index]);
    if (session->is_open) connection_release(&session->connection);
    else loop_close(&monitor->loop, &session->first);
    free(session);
}

/* ---- pause and resume ---- */

static void on_paused(void *context, const struct failure *why, struct span line) {
    (void)line;
    struct errand *errand = context;
    struct monitor *monitor = errand->monitor;
    uint16_t id;
    struct session *session = errand_end(errand, &id);
    if (!why) monitor->is_paused = true;
    if (session && why) connection_refuse(&session->connection, id, why);
    else if (session) session_answer(session, id, GUEST_OK);
}

/* Tells who waits for it how a resume has gone; `why` is NULL when it went well. */
static void end_resume(struct monitor *monitor, const struct failure *why) {
    uint16_t id;
    if (!monitor->resuming) return;
    struct session *session = errand_end(monitor->resuming, &id);
    monitor->resuming = NULL;
    if (session && why) connection_refuse(&session->connection, id, why);
    else if (session) session_answer(session, id, GUEST_OK);
}

static void on_time_set(struct request *request, const struct frame *frame) {
    struct failure why;
    if (frame->type == GUEST_ERROR) guest_failure(frame, &why);
    end_resume(request->context, frame->type == GUEST_ERROR ? &why : NULL);
}

/* The guest's clock stood still with its processors; a computer's is its own affair. */
static void on_resumed(void *context, const struct failure *why, struct span line) {
    (void)line;
    struct errand *errand = context;
    struct monitor *monitor = errand->monitor;
    struct failure no_clock;
    AUTO_BUFFER time = {0};
    end_resume(monitor, NULL); /* two at once: the second one's answer is the first one's, too */
    monitor->resuming = errand;
    if (!why) monitor->is_paused = false;
    if (why || monitor->plan.is_computer) {
        end_resume(monitor, why);
        return;
    }
    if (field_append_number(&time, GUEST_TAG_TIME, now()) == 0 &&
        guest_ask(&monitor->guest, GUEST_SET_TIME, time.data, time.length, on_time_set, monitor)) {
        return;
    }
    fail(&no_clock, FAILURE_INTERNAL, "the guest's clock could not be set");
    end_resume(monitor, &no_clock);
}

void sessions_stopped(struct monitor *monitor) {
    struct failure why;
    fail(&why, FAILURE_UNAVAILABLE, "the virtual machine stands still again%s",
         monitor->lacks_room ? ": the host's disk has no room for what it writes" : "");
    end_resume(monitor, &why);
}

static void freeze(struct session *session, const struct frame *frame) {
    bool pause = frame->type == VM_CONTROL_PAUSE;
    struct errand *errand = errand_new(session, frame->id);
    const char *command = pause ? "{\"execute\":\"stop\"}" : "{\"execute\":\"cont\"}";
    if (errand && qmp_do(&session->monitor->qmp, command, -1, pause ? on_paused : on_resumed, errand) == 0) return;
    free(errand);
    session_refuse(session, frame->id, FAILURE_INTERNAL, "QEMU cannot be asked");
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

/* Whether a request cannot be answered while the guest's processors stand still. */
static bool needs_guest(const struct session *session, const struct frame *frame) {
    if (session->monitor->plan.is_computer || session->process) return false;
    switch (frame->type) {
        case VM_CONTROL_RESUME:
        case VM_CONTROL_STATE:
        case VM_CONTROL_QMP:
        case VM_CONTROL_EVENTS: return false;
        default: return true;
    }
}

static void on_frame(struct connection *connection, const struct frame *frame) {
    struct session *session = container_of(connection, struct session, connection);
    const struct monitor *monitor = session->monitor;
    if (monitor->phase != PHASE_RUNNING) {
        session_refuse(session, frame->id, FAILURE_CONFLICT, "the virtual machine does not run");
        return;
    }
    if (monitor->is_paused && needs_guest(session, frame)) {
        session_refuse(session, frame->id, FAILURE_CONFLICT, "the virtual machine is paused");
        return;
    }
    switch (frame->type) {
        case VM_CONTROL_PAUSE:
        case VM_CONTROL_RESUME: freeze(session, frame); return;
        case VM_CONTROL_STATE: send_state(session, frame); return;
        default: break;
    }
    if (qemu_request(session, frame)) return;
    if (monitor->plan.is_computer ? computer_request(session, frame) : guest_request(session, frame)) return;
    session_refuse(session, frame->id, FAILURE_NOT_IMPLEMENTED, "a monitor does not understand this request");
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
