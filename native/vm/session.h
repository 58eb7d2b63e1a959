/* A connection to the control socket (common/vm-plan.h): what the files that answer its requests share. */
#ifndef BERTH_VM_SESSION_H
#define BERTH_VM_SESSION_H

#include "common/connection.h"
#include "monitor.h"
#include "pass-descriptors.h"

struct session {
    uint64_t number; /* no other session ever has it */
    struct monitor *monitor;
    struct watch first; /* until its first byte has come, with which descriptors come */
    struct connection connection;
    bool is_open; /* it is a connection */
    int streams[PASSED_MAX]; /* the descriptors that came */
    struct process *process; /* its own, if it has one */
    uint16_t process_request;
    bool wants_events;
    bool wants_agent; /* and waits for it */
    uint16_t agent_request;
    struct session *next;
};

/* A question to the guest or to QEMU, for a session that may go before the answer comes. */
struct errand {
    struct monitor *monitor;
    uint64_t session;
    uint16_t request;
};

/* sessions.c */
void session_answer(struct session *session, uint16_t request, uint8_t type);
void session_refuse(struct session *session, uint16_t request, const char *kind, const char *message);
/* The guest's answer, its reason as text where it is an error. */
void session_pass_on(struct session *session, uint16_t request, const struct frame *answer);
/* Not while one of its frames is being handled. */
void session_free(struct session *session);
/* NULL when memory is short. */
struct errand *errand_new(struct session *session, uint16_t request);
/* Who waits for it still: NULL, nobody. The errand is done. */
struct session *errand_end(struct errand *errand, uint16_t *request);

/* guest-requests.c: what is asked of a container's guest; false for what is no such request. */
bool guest_request(struct session *session, const struct frame *frame);

/* computer-requests.c: QEMU's commands and events, of both kinds of machines; false for what is no such request. */
bool qemu_request(struct session *session, const struct frame *frame);
/* What is asked of a computer beside. */
bool computer_request(struct session *session, const struct frame *frame);

#endif
