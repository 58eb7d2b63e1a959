#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/protocol.h"
#include "session-request.h"
#include "supervisor.h"

/* An exec's process object with a large environment is the longest thing that a client says. */
#define REQUEST_MAX (4u * 1024 * 1024)

void session_answer_ok(struct session *session, uint16_t id) {
    connection_send(&session->connection, MESSAGE_OK, id, NULL, 0);
}

/* ---- what sessions are told ---- */

void session_send_started(struct session *session, uint16_t request, pid_t pid, uint64_t time) {
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, TAG_PID, (uint64_t)pid);
    field_append_number(&payload, TAG_TIME, time);
    connection_send(&session->connection, MESSAGE_STARTED, request, payload.data, payload.length);
}

void session_send_runtime_failure(struct session *session, uint16_t request, const struct failure *why,
                                  const struct buffer *words) {
    AUTO_BUFFER payload = {0};
    field_append_text(&payload, TAG_KIND, why->kind);
    field_append_text(&payload, TAG_MESSAGE, why->message);
    field_append(&payload, TAG_RUNTIME_LOG, words->data, words->length);
    connection_send(&session->connection, MESSAGE_ERROR, request, payload.data, payload.length);
}

static void append_exec_end(struct buffer *payload, const struct process *process) {
    field_append_number(payload, TAG_CODE, (uint64_t)process->exit_code);
    field_append_number(payload, TAG_OOM_KILLED, 0);
    field_append_number(payload, TAG_TIME, now());
    field_append_number(payload, TAG_END_SIGNAL, (uint64_t)process->end_signal);
}

static void append_run_end(struct buffer *payload, const struct run_end *end) {
    field_append_number(payload, TAG_CODE, (uint64_t)end->code);
    field_append_number(payload, TAG_OOM_KILLED, end->memory.oom_killed);
    field_append_number(payload, TAG_TIME, end->finished);
    field_append_number(payload, TAG_END_SIGNAL, (uint64_t)end->signal);
    field_append_number(payload, TAG_MEMORY_PEAK, end->memory.peak);
    field_append_number(payload, TAG_MEMORY_LIMIT, end->memory.limit);
    field_append_number(payload, TAG_START_TIME, end->started);
    field_append_number(payload, TAG_RESTARTS, end->restarts);
}

/* They were readable when the container was prepared; what it has done to them since is its own affair. */
static void append_account(struct buffer *payload, uint16_t tag, const char *path) {
    AUTO_BUFFER text = {0};
    struct failure why;
    if (mounts_read(path, &text, &why) == 0) field_append(payload, tag, text.data, text.length);
    else log_line("%s", why.message);
}

static uint64_t state_of(const struct supervisor *supervisor) {
    if (supervisor->phase == PHASE_PREPARED) return STATE_PREPARED;
    if (supervisor->phase == PHASE_RESTARTING) return STATE_RESTARTING;
    return supervisor->phase == PHASE_RUNNING ? STATE_RUNNING : STATE_EXITED;
}

static void send_state(struct session *session, uint16_t id) {
    struct supervisor *supervisor = session->supervisor;
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, TAG_STATE, state_of(supervisor));
    field_append_number(&payload, TAG_TERMINAL, supervisor->plan.terminal);
    if (supervisor->network >= 0) field_append_number(&payload, TAG_NETWORK, (uint64_t)supervisor->network);
    ports_encode(&supervisor->ports, &payload);
    if (supervisor->mounts.root) {
        append_account(&payload, TAG_PASSWD, MOUNTS_PASSWD);
        append_account(&payload, TAG_GROUP, MOUNTS_GROUP);
    }
    field_append_number(&payload, TAG_PID, (uint64_t)getpid());
    field_append_number(&payload, TAG_RESTARTS, supervisor->restart.count);
    for (size_t index = 0; index < supervisor->earlier_count; index++) {
        AUTO_BUFFER end = {0};
        append_run_end(&end, &supervisor->earlier[index]);
        field_append(&payload, TAG_ENDED, end.data, end.length);
    }
    AUTO_BUFFER started = {0};
    if (supervisor->started_at) {
        field_append_number(&started, TAG_PID, (uint64_t)supervisor->init->pid);
        field_append_number(&started, TAG_TIME, supervisor->started_at);
        field_append(&payload, TAG_STARTED, started.data, started.length);
    }
    connection_send(&session->connection, MESSAGE_STATE, id, payload.data, payload.length);
}

/* While it is not decided whether the container runs, nobody can say what its state is. */
void session_hello(struct session *session, uint16_t id) {
    session->role = ROLE_CONTROL;
    session->state_request = id;
    session->state_waits = session->supervisor->phase == PHASE_STARTING;
    if (!session->state_waits) send_state(session, id);
}

void sessions_start_decided(struct supervisor *supervisor) {
    for (struct session *session = supervisor->sessions; session; session = session->next) {
        if (session->state_waits) send_state(session, session->state_request);
        session->state_waits = false;
    }
}

/* ---- clients that fall behind ---- */

static bool has_spool(const struct session *session) {
    return session->role == ROLE_ATTACHED && session->supervisor->spool_max > 0;
}

static uint64_t spooled(const struct supervisor *supervisor) {
    uint64_t length = 0;
    for (struct session *session = supervisor->sessions; session; session = session->next) {
        length += spool_length(&session->spool);
    }
    return length;
}

/* Better a client whose connection ends than one that misses a part. */
static void cut_off(struct session *session) {
    log_line("a client's output is lost: %s", strerror(errno));
    spool_close(&session->spool);
    connection_finish(&session->connection);
}

/* Order is kept: while the spool has something, everything goes through it. */
static void deliver(struct session *session, uint8_t type, const void *data, size_t length) {
    bool behind = spool_length(&session->spool) > 0 || connection_queued(&session->connection) > SESSION_QUEUE_MAX;
    if (!has_spool(session) || !behind) connection_send(&session->connection, type, 0, data, length);
    else if (spool_append(&session->spool, type, data, length) < 0) cut_off(session);
    else connection_ask(&session->connection); /* the queue may be sent with an answer, which tells nobody */
}

/* The client has taken all that was queued. */
static void serve_spool(struct session *session) {
    AUTO_BUFFER frames = {0};
    if (spool_length(&session->spool) == 0) return;
    if (spool_take(&session->spool, &frames, SESSION_QUEUE_MAX) < 0) {
        cut_off(session);
        return;
    }
    connection_send_frames(&session->connection, frames.data, frames.length);
    if (spool_length(&session->spool) > 0) connection_ask(&session->connection);
    else if (session->finished) connection_finish(&session->connection);
}

bool sessions_lag(const struct process *process) {
    const struct supervisor *supervisor = process->supervisor;
    if (supervisor->spool_max > 0 && spooled(supervisor) >= supervisor->spool_max) return true;
    for (const struct session *session = supervisor->sessions; session; session = session->next) {
        if (session->process != process) continue;
        if (!spool_is_on_disk(&session->spool)) return true;
        if (!has_spool(session) && connection_queued(&session->connection) > SESSION_QUEUE_MAX) return true;
    }
    return false;
}

void sessions_output(struct process *process, bool is_stderr, const void *data, size_t length) {
    uint64_t bit = is_stderr ? STREAM_STDERR : STREAM_STDOUT;
    for (struct session *session = process->supervisor->sessions; session; session = session->next) {
        if (session->process != process || !(session->streams & bit)) continue;
        deliver(session, is_stderr ? MESSAGE_STDERR : MESSAGE_STDOUT, data, length);
    }
    if (!process->ended) process_pace(process);
}

void sessions_announce(struct supervisor *supervisor, uint8_t type, const struct buffer *payload) {
    for (struct session *session = supervisor->sessions; session; session = session->next) {
        if (session->role != ROLE_CONTROL) continue;
        if (connection_queued(&session->connection) > SESSION_QUEUE_MAX) continue;
        connection_send(&session->connection, type, 0, payload->data, payload->length);
    }
}

/* Behind what the spool still has. */
static void finish(struct session *session) {
    session->finished = true;
    if (spool_length(&session->spool) == 0) connection_finish(&session->connection);
}

void sessions_announce_end(struct supervisor *supervisor, const struct buffer *words) {
    AUTO_BUFFER payload = {0};
    append_run_end(&payload, &supervisor->end);
    if (words) field_append(&payload, TAG_RUNTIME_LOG, words->data, words->length);
    bool again = supervisor->phase == PHASE_RESTARTING;
    sessions_announce(supervisor, again ? MESSAGE_RESTARTING : MESSAGE_EXITED, &payload);
}

void sessions_restarted(struct supervisor *supervisor) {
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, TAG_PID, (uint64_t)supervisor->init->pid);
    field_append_number(&payload, TAG_TIME, supervisor->started_at);
    sessions_announce(supervisor, MESSAGE_RESTARTED, &payload);
}

void sessions_exited(struct process *process) {
    AUTO_BUFFER payload = {0};
    if (process->is_init) append_run_end(&payload, &process->supervisor->end);
    else append_exec_end(&payload, process);
    for (struct session *session = process->supervisor->sessions; session; session = session->next) {
        if (session->process != process) continue;
        deliver(session, MESSAGE_EXITED, payload.data, payload.length);
        session->process = NULL;
        finish(session);
    }
}

void sessions_finish(struct supervisor *supervisor) {
    for (struct session *session = supervisor->sessions; session; session = session->next) finish(session);
}

/* ---- their connections ---- */

static void on_frame(struct connection *connection, const struct frame *frame) {
    struct session *session = container_of(connection, struct session, connection);
    struct failure why;
    if (session_request(session, frame, &why) < 0) connection_refuse(connection, frame->id, &why);
}

/* An exec's input ends with its client; PID 1's only if it was made for one client (StdinOnce). */
static bool input_ends_with(const struct session *session) {
    if (!(session->streams & STREAM_STDIN) || session->process->terminal) return false;
    return session->role == ROLE_EXEC || session->supervisor->plan.stdin_once;
}

static void on_closed(struct connection *connection) {
    struct session *session = container_of(connection, struct session, connection);
    struct supervisor *supervisor = session->supervisor;
    struct process *process = session->process;
    bool ends_input = process && input_ends_with(session);
    for (struct session **link = &supervisor->sessions; *link; link = &(*link)->next) {
        if (*link != session) continue;
        *link = session->next;
        break;
    }
    supervisor_forget_session(supervisor, session);
    connection_release(connection);
    spool_close(&session->spool);
    buffer_free(&session->input);
    free(session);
    if (ends_input) process_close_input(process);
    if (process && !process->ended) process_pace(process);
    supervisor_check_end(supervisor);
}

static void on_drained(struct connection *connection) {
    struct session *session = container_of(connection, struct session, connection);
    serve_spool(session);
    if (session->process) process_pace(session->process);
}

static const struct connection_events EVENTS = {.frame = on_frame, .closed = on_closed, .drained = on_drained};

void session_accept(struct supervisor *supervisor, int socket) {
    struct session *session = calloc(1, sizeof(*session));
    if (!session) {
        close(socket);
        return;
    }
    session->supervisor = supervisor;
    session->spool.file = -1;
    if (connection_open(&session->connection, &supervisor->loop, socket, REQUEST_MAX, &EVENTS) < 0) {
        free(session);
        return;
    }
    session->next = supervisor->sessions;
    supervisor->sessions = session;
}
