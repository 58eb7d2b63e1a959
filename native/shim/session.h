/* A client's connection: control, attached to PID 1, or an exec. Its first frame says which. */
#ifndef BERTH_SESSION_H
#define BERTH_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/connection.h"
#include "spool.h"

struct supervisor;
struct process;

enum role { ROLE_NEW, ROLE_CONTROL, ROLE_ATTACHED, ROLE_EXEC };

/*
 * A client that lags by more than this is served from a spool on the disk. Where the container keeps no log, and when the
 * spools together take as much as its log may, the reading of the process's output stops, and with it, when the pipe is
 * full, the process: nobody attached loses a byte, and we stay small. The end of the process does not wait for it.
 */
#define SESSION_QUEUE_MAX (64u * 1024)

struct session {
    struct connection connection;
    struct supervisor *supervisor;
    enum role role;
    struct process *process; /* NULL once it has ended */
    uint64_t streams;
    struct spool spool;
    bool finished; /* nothing comes behind the spool */
    bool input_waits; /* a STDIN frame is not taken by the process yet */
    bool close_waits; /* CLOSE_STDIN came behind it */
    uint16_t input_request;
    uint16_t close_request;
    struct buffer input;
    bool state_waits; /* HELLO came while the container was being started */
    uint16_t state_request;
    struct session *next;
};

void session_accept(struct supervisor *supervisor, int socket);

/* Whether the process has to wait for one of its clients. */
bool sessions_lag(const struct process *process);

/* Output for all who are attached to the process. */
void sessions_output(struct process *process, bool is_stderr, const void *data, size_t length);

/* Tells the sessions that are attached to the process, and finishes them. */
void sessions_exited(struct process *process);

/* Tells control sessions how the run ended and what follows; `words` of the OCI runtime, or NULL. */
void sessions_announce_end(struct supervisor *supervisor, const struct buffer *words);

/* The policy has restarted the container. */
void sessions_restarted(struct supervisor *supervisor);

/* Sends a frame to all control sessions; it is left out for one that does not read. */
void sessions_announce(struct supervisor *supervisor, uint8_t type, const struct buffer *payload);

/* The session controls the container: tells it the state, once it is decided whether the container runs. */
void session_hello(struct session *session, uint16_t request);

/* The start has succeeded or failed: tells the state to those who asked in the meantime. */
void sessions_start_decided(struct supervisor *supervisor);

/* Finishes every session. */
void sessions_finish(struct supervisor *supervisor);

/* Answers that a request is done. */
void session_answer_ok(struct session *session, uint16_t request);

/* Answers a STARTED or the runtime's refusal. */
void session_send_started(struct session *session, uint16_t request, pid_t pid, uint64_t time);
void session_send_runtime_failure(struct session *session, uint16_t request, const struct failure *why,
                                  const struct buffer *words);

#endif
