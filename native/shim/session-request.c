#include "session-request.h"

#include "common/protocol.h"
#include "session.h"
#include "supervisor.h"

/* The fields of all requests to a supervisor, as far as they came. */
struct request {
    uint64_t number;
    uint64_t rows;
    uint64_t columns;
    uint64_t streams;
    uint64_t terminal;
    struct restart_plan restart;
    struct field process;
    struct field port;
};

static int decode_request(const struct frame *frame, struct request *request, struct failure *why) {
    *request = (struct request){0};
    size_t at = 0;
    struct field field;
    enum field_result result;
    while ((result = field_next(frame->payload, frame->length, &at, &field)) == FIELD_NEXT) {
        uint64_t *into = field.tag == TAG_NUMBER     ? &request->number
                         : field.tag == TAG_ROWS     ? &request->rows
                         : field.tag == TAG_COLUMNS  ? &request->columns
                         : field.tag == TAG_STREAMS  ? &request->streams
                         : field.tag == TAG_TERMINAL ? &request->terminal
                         : field.tag == TAG_RESTART  ? &request->restart.policy
                         : field.tag == TAG_RESTART_MAXIMUM ? &request->restart.maximum
                                                     : NULL;
        if (field.tag == TAG_PROCESS) request->process = field;
        else if (field.tag == TAG_PORT) request->port = field;
        else if (!into || !field_number(&field, into)) {
            return fail(why, FAILURE_INVALID, "field %u of request %u is not valid", field.tag, frame->type);
        }
    }
    return result == FIELD_END ? 0 : fail(why, FAILURE_INVALID, "request %u is not whole", frame->type);
}

static int attach(struct session *session, const struct frame *frame, struct failure *why) {
    struct supervisor *supervisor = session->supervisor;
    struct request request;
    if (decode_request(frame, &request, why) < 0) return -1;
    if (supervisor->phase > PHASE_RUNNING || supervisor->init->ended) {
        return fail(why, FAILURE_CONFLICT, "the container has ended");
    }
    session->role = ROLE_ATTACHED;
    session->process = supervisor->init;
    session->streams = request.streams;
    session_answer_ok(session, frame->id);
    return 0;
}

static int exec(struct session *session, const struct frame *frame, struct failure *why) {
    struct request request;
    if (decode_request(frame, &request, why) < 0) return -1;
    if (request.process.length == 0) return fail(why, FAILURE_INVALID, "the exec has no process");
    if (session->supervisor->phase != PHASE_RUNNING) return fail(why, FAILURE_CONFLICT, "the container does not run");
    session->role = ROLE_EXEC;
    session->streams = request.streams;
    return supervisor_exec(session, frame->id, request.terminal == 1, &request.process, why);
}

static int take_input(struct session *session, const struct frame *frame, struct failure *why) {
    struct process *process = session->process;
    if (!process || !process->takes_input || !(session->streams & STREAM_STDIN)) {
        return fail(why, FAILURE_CONFLICT, "the process takes no input");
    }
    if (session->input_waits) return fail(why, FAILURE_CONFLICT, "input came before the last was accepted");
    if (buffer_append(&session->input, frame->payload, frame->length) < 0) return fail_errno(why, "input");
    session->input_waits = true;
    session->input_request = frame->id;
    process_feed(process);
    return 0;
}

static int close_input(struct session *session, const struct frame *frame, struct failure *why) {
    struct process *process = session->process;
    if (!process || !(session->streams & STREAM_STDIN)) return fail(why, FAILURE_CONFLICT, "the process takes no input");
    if (session->input_waits) {
        session->close_waits = true;
        session->close_request = frame->id;
        return 0;
    }
    session_answer_ok(session, frame->id);
    /* A terminal has no half-close; its other users would lose it too. */
    if (!process->terminal) process_close_input(process);
    return 0;
}

static int about_process(struct session *session, struct process *process, const struct frame *frame,
                         struct failure *why) {
    struct request request;
    if (decode_request(frame, &request, why) < 0) return -1;
    if (!process) return fail(why, FAILURE_CONFLICT, "the process has ended");
    int result = frame->type == MESSAGE_SIGNAL ? process_signal(process, request.number, why)
                                               : process_resize(process, request.rows, request.columns, why);
    if (result == 0) session_answer_ok(session, frame->id);
    return result;
}

static int set_restart(struct session *session, const struct frame *frame, struct failure *why) {
    struct request request;
    if (decode_request(frame, &request, why) < 0) return -1;
    if (request.restart.policy > RESTART_ON_FAILURE) return fail(why, FAILURE_INVALID, "no such restart policy");
    return supervisor_set_restart(session, frame->id, &request.restart);
}

static int change_port(struct session *session, const struct frame *frame, struct failure *why) {
    struct supervisor *supervisor = session->supervisor;
    struct request request;
    struct port_plan plan = {0};
    if (decode_request(frame, &request, why) < 0) return -1;
    if (request.port.length == 0) return fail(why, FAILURE_INVALID, "the request names no port");
    if (supervisor->phase != PHASE_RUNNING && supervisor->phase != PHASE_RESTARTING) {
        return fail(why, FAILURE_CONFLICT, "the container does not run");
    }
    if (port_decode(&request.port, &plan, why) < 0) {
        port_free(&plan);
        return -1;
    }
    if (frame->type == MESSAGE_WITHDRAW) {
        ports_withdraw(&supervisor->ports, &plan);
        port_free(&plan);
        session_answer_ok(session, frame->id);
        return 0;
    }
    const struct port *port = ports_add(&supervisor->ports, &plan, why);
    if (!port) return -1;
    if (supervisor->phase == PHASE_RUNNING) ports_serve(&supervisor->ports);
    AUTO_BUFFER payload = {0};
    port_report(port, &payload);
    connection_send(&session->connection, MESSAGE_OK, frame->id, payload.data, payload.length);
    return 0;
}

static int unknown(const struct frame *frame, struct failure *why) {
    return fail(why, FAILURE_NOT_IMPLEMENTED, "the supervisor knows no request %u here", frame->type);
}

static int first_request(struct session *session, const struct frame *frame, struct failure *why) {
    switch (frame->type) {
        case MESSAGE_HELLO:
            session_hello(session, frame->id);
            return 0;
        case MESSAGE_ATTACH: return attach(session, frame, why);
        case MESSAGE_EXEC: return exec(session, frame, why);
        default: return unknown(frame, why);
    }
}

static int control_request(struct session *session, const struct frame *frame, struct failure *why) {
    struct supervisor *supervisor = session->supervisor;
    switch (frame->type) {
        case MESSAGE_RUN: return supervisor_run(session, frame->id, why);
        case MESSAGE_DISCARD: return supervisor_discard(session, frame->id, why);
        case MESSAGE_PAUSE: return supervisor_freeze(session, frame->id, "pause", why);
        case MESSAGE_RESUME: return supervisor_freeze(session, frame->id, "resume", why);
        case MESSAGE_SET_RESTART: return set_restart(session, frame, why);
        case MESSAGE_PUBLISH:
        case MESSAGE_WITHDRAW: return change_port(session, frame, why);
        case MESSAGE_CANCEL_RESTART: return supervisor_cancel_restart(session, frame->id);
        case MESSAGE_SIGNAL:
        case MESSAGE_RESIZE: return about_process(session, supervisor->init, frame, why);
        default: return unknown(frame, why);
    }
}

static int stream_request(struct session *session, const struct frame *frame, struct failure *why) {
    bool is_exec = session->role == ROLE_EXEC;
    switch (frame->type) {
        case MESSAGE_STDIN: return take_input(session, frame, why);
        case MESSAGE_CLOSE_STDIN: return close_input(session, frame, why);
        case MESSAGE_SIGNAL:
        case MESSAGE_RESIZE: return is_exec ? about_process(session, session->process, frame, why) : unknown(frame, why);
        default: return unknown(frame, why);
    }
}

int session_request(struct session *session, const struct frame *frame, struct failure *why) {
    switch (session->role) {
        case ROLE_NEW: return first_request(session, frame, why);
        case ROLE_CONTROL: return control_request(session, frame, why);
        default: return stream_request(session, frame, why);
    }
}
