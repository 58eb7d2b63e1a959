/* What is asked of a container's guest: its processes, and what is passed on to our agent there. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "common/io.h"
#include "common/vm-plan.h"
#include "session.h"

/* ---- passed on to the guest ---- */

static void on_guest_answer(struct request *request, const struct frame *frame) {
    uint16_t id;
    struct session *session = errand_end(request->context, &id);
    if (session) session_pass_on(session, id, frame);
}

static void pass_on(struct session *session, const struct frame *frame) {
    struct guest *guest = &session->monitor->guest;
    struct errand *errand = errand_new(session, frame->id);
    if (errand && guest_ask(guest, frame->type, frame->payload, frame->length, on_guest_answer, errand)) return;
    free(errand);
    session_refuse(session, frame->id, FAILURE_UNAVAILABLE, "the guest has too many requests under way");
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
        session_refuse(session, frame->id, FAILURE_INVALID, "a connection has one process, with three descriptors");
        return;
    }
    session->process_request = frame->id;
    session->process = process_start(&session->monitor->guest, frame->payload, frame->length, session->streams,
                                     is_stream ? &STREAM_EVENTS : &EXEC_EVENTS, session);
    if (!session->process) session_refuse(session, frame->id, FAILURE_UNAVAILABLE, "there is no room for another process");
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

bool guest_request(struct session *session, const struct frame *frame) {
    switch (frame->type) {
        case VM_CONTROL_EXEC:
        case VM_CONTROL_STREAM: start_process(session, frame); return true;
        case GUEST_SIGNAL:
        case GUEST_RESIZE: control_process(session, frame); return true;
        case GUEST_KILL_ALL:
        case GUEST_PUT_FILE:
        case GUEST_STATISTICS:
        case GUEST_PROCESSES: pass_on(session, frame); return true;
        default: return false;
    }
}
