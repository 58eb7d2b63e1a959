/* What is asked of QEMU itself, its commands and events, and of a computer: the way to the guest's agent. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/vm-plan.h"
#include "session.h"

/* Events that a session does not take: beyond this it is told no more. */
#define EVENTS_QUEUE_MAX (1024u * 1024)

/* ---- QEMU's commands ---- */

static struct span without_line_end(struct span line) {
    while (line.length > 0 && line.at[line.length - 1] == '\r') line.length--;
    return line;
}

static void on_answer(void *context, const struct failure *why, struct span answer) {
    uint16_t id;
    struct session *session = errand_end(context, &id);
    if (!session) return;
    const struct span line = without_line_end(answer);
    if (line.at) connection_send(&session->connection, VM_CONTROL_QMP_RETURN, id, line.at, line.length);
    else connection_refuse(&session->connection, id, why);
}

static void command(struct session *session, const struct frame *frame) {
    const struct span text = {.at = (const char *)frame->payload, .length = frame->length};
    if (!json_is_object(text)) {
        session_refuse(session, frame->id, FAILURE_INVALID, "a command of QEMU's is one JSON object on one line");
        return;
    }
    AUTO_TEXT line = strndup(text.at, text.length);
    struct errand *errand = line ? errand_new(session, frame->id) : NULL;
    if (errand && qmp_do(&session->monitor->qmp, line, take_fd(&session->streams[0]), on_answer, errand) == 0) return;
    free(errand);
    session_refuse(session, frame->id, FAILURE_INTERNAL, "QEMU cannot be asked");
}

/* ---- its events ---- */

static void subscribe(struct session *session, const struct frame *frame) {
    session->wants_events = true;
    session_answer(session, frame->id, GUEST_OK);
}

void sessions_tell(struct monitor *monitor, struct span event) {
    const struct span line = without_line_end(event);
    for (struct session *session = monitor->sessions; session; session = session->next) {
        if (!session->wants_events) continue;
        if (connection_queued(&session->connection) > EVENTS_QUEUE_MAX) connection_finish(&session->connection);
        else connection_send(&session->connection, VM_CONTROL_EVENT, 0, line.at, line.length);
    }
}

/* ---- the guest's agent ---- */

/* Whoever came first. */
static struct session *next_waiter(const struct monitor *monitor) {
    struct session *first = NULL;
    for (struct session *session = monitor->sessions; session; session = session->next) {
        if (session->wants_agent && (!first || session->number < first->number)) first = session;
    }
    return first;
}

/* The connection is the agent's from now on. */
void computer_agent_free(struct agent_port *port) {
    struct monitor *monitor = container_of(port, struct monitor, agent_port);
    struct session *session = next_waiter(monitor);
    if (!session) return;
    session->wants_agent = false;
    AUTO_CLOSE stream = fcntl(session->connection.watch.fd, F_DUPFD_CLOEXEC, 3);
    if (stream >= 0) session_answer(session, session->agent_request, GUEST_OK);
    if (stream >= 0 && agent_port_take(port, take_fd(&stream))) session_free(session);
    else session_refuse(session, session->agent_request, FAILURE_UNAVAILABLE, "there are no descriptors left");
    if (next_waiter(monitor)) agent_port_await(port);
}

static void wait_for_agent(struct session *session, const struct frame *frame) {
    session->wants_agent = true;
    session->agent_request = frame->id;
    agent_port_await(&session->monitor->agent_port);
}

bool qemu_request(struct session *session, const struct frame *frame) {
    switch (frame->type) {
        case VM_CONTROL_QMP: command(session, frame); return true;
        case VM_CONTROL_EVENTS: subscribe(session, frame); return true;
        default: return false;
    }
}

bool computer_request(struct session *session, const struct frame *frame) {
    switch (frame->type) {
        case VM_CONTROL_AGENT: wait_for_agent(session, frame); return true;
        case VM_CONTROL_EXEC:
        case VM_CONTROL_STREAM:
            session_refuse(session, frame->id, FAILURE_NOT_IMPLEMENTED,
                           "this machine is a whole computer: its processes are its own system's, and are started through "
                           "that system's guest agent or ssh");
            return true;
        default: return false;
    }
}
