/*
 * The guest's side of a machine, as its monitor sees it: requests with their answers, and processes with their streams
 * (common/guest-protocol.h). What comes from the guest is not to be trusted: lengths, ids and credit are checked, and
 * what it makes us keep is bounded.
 */
#ifndef BERTH_VM_GUEST_H
#define BERTH_VM_GUEST_H

#include "common/connection.h"
#include "common/guest-protocol.h"
#include "stream.h"

struct guest;
struct request;
struct process;

struct guest_events {
    void (*ready)(struct guest *guest);
    void (*question)(struct guest *guest, uint16_t id, bool by_tcp, const uint8_t *message, size_t length);
    void (*out_of_memory)(struct guest *guest);
    /* The channel carried what cannot be: nothing more is taken. */
    void (*broken)(struct guest *guest, const char *why);
    /* QEMU has closed the channel, as it does when it ends. */
    void (*closed)(struct guest *guest);
};

struct guest {
    struct connection connection;
    struct loop *loop;
    const struct guest_events *events;
    struct request *requests;
    struct process *processes;
    uint16_t last_id;
    bool has_started; /* its main process */
    bool is_open;
    bool is_broken;
};

int guest_open(struct guest *guest, struct loop *loop, int fd, const struct guest_events *events);

/* Forgets requests and processes without a word; outputs that wait are written as far as they can. */
void guest_close(struct guest *guest);

void guest_send(struct guest *guest, uint8_t type, uint16_t id, const void *payload, size_t length);

/* The same of what may be lost: a guest that does not take what it is told is not told it. */
void guest_tell(struct guest *guest, uint8_t type, uint16_t id, const void *payload, size_t length);

/* It has left so much untaken that nothing more is kept for it. */
bool guest_is_deaf(const struct guest *guest);

/* ---- requests ---- */

struct request {
    uint16_t id;
    /* Called once. The frame is the answer: an ERROR, or what the request asked for, whatever type the guest gave it. */
    void (*answered)(struct request *request, const struct frame *answer);
    void *context; /* NULL: nobody waits any more, and `answered` is not called */
    struct request *next;
};

/* NULL when memory or ids are short, and when the guest is deaf. */
struct request *guest_ask(struct guest *guest, uint8_t type, const void *payload, size_t length,
                          void (*answered)(struct request *request, const struct frame *answer), void *context);

/* Whoever waits for answers with this context waits no longer. */
void guest_forget(struct guest *guest, const void *context);

/* The kind and message of an ERROR. */
void guest_failure(const struct frame *error, struct failure *why);

/* ---- processes ---- */

struct process_events {
    void (*started)(struct process *process, uint64_t pid);
    /* It never ran; the process is freed afterwards. */
    void (*refused)(struct process *process, const struct failure *why);
    /* It has ended and its output was handed on; the process is freed afterwards. */
    void (*ended)(struct process *process);
};

struct process {
    struct guest *guest;
    uint16_t id;
    const struct process_events *events;
    void *context;
    struct input input;
    struct output output[2]; /* standard output and error */
    bool started;
    bool exited;
    int code;
    int signal; /* 0: it ended by itself */
    bool out_of_memory;
    struct process *next;
};

/*
 * Starts a process; the first one is the guest's main process. `streams` are taken over in any case: its standard input,
 * output and error; -1: none. NULL when memory or ids are short, and when the guest is deaf.
 */
struct process *process_start(struct guest *guest, const void *payload, size_t length, int streams[3],
                              const struct process_events *events, void *context);

/* Gives a process that started without streams a connection, which is taken over, for its input and its output. */
void process_connect(struct process *process, int connection);

void process_signal(struct process *process, int number);
/* Nobody waits for it any more: it is killed; of one that has not started, whose guest may never say more, nothing is kept open. */
void process_abandon(struct process *process);
void process_resize(struct process *process, uint16_t rows, uint16_t columns);

#endif
