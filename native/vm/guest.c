#include "guest.h"

#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "guest-internal.h"
#include "words.h"

/* Frames from the guest that are neither a stream's nor an answer are short. */
#define NOTE_MAX 1024
/* What a guest does not take is kept up to here, and one request beyond. */
#define UNTAKEN_MAX (1024u * 1024)

static void on_frame(struct connection *connection, const struct frame *frame);
static void on_closed(struct connection *connection);
static void on_drained(struct connection *connection);

static const struct connection_events EVENTS = {.frame = on_frame, .closed = on_closed, .drained = on_drained};

int guest_open(struct guest *guest, struct loop *loop, int fd, const struct guest_events *events) {
    *guest = (struct guest){.loop = loop, .events = events, .last_id = GUEST_MAIN_PROCESS, .is_open = true};
    if (connection_open(&guest->connection, loop, fd, GUEST_ANSWER_MAX, &EVENTS) == 0) return 0;
    guest->is_open = false;
    return -1;
}

void guest_close(struct guest *guest) {
    if (!guest->is_open) return;
    guest->is_open = false;
    while (guest->processes) process_free(guest->processes);
    while (guest->requests) {
        struct request *request = guest->requests;
        guest->requests = request->next;
        free(request);
    }
    connection_release(&guest->connection);
}

void guest_violated(struct guest *guest, const char *how) {
    connection_finish(&guest->connection); /* nothing more is taken */
    if (guest->is_broken) return;
    guest->is_broken = true;
    guest->events->broken(guest, how);
}

static void on_closed(struct connection *connection) {
    struct guest *guest = container_of(connection, struct guest, connection);
    struct frame frame;
    size_t used;
    loop_watch(guest->loop, &connection->watch, 0);
    if (frame_decode(connection->in.data, connection->in.length, GUEST_ANSWER_MAX, &frame, &used) == FRAME_IMPOSSIBLE) {
        guest_violated(guest, "a message is longer than any can be");
    } else if (!guest->is_broken) {
        guest->events->closed(guest);
    }
}

static void on_drained(struct connection *connection) {
    processes_continue(container_of(connection, struct guest, connection));
}

void guest_send(struct guest *guest, uint8_t type, uint16_t id, const void *payload, size_t length) {
    connection_send(&guest->connection, type, id, payload, length);
}

bool guest_is_deaf(const struct guest *guest) {
    return connection_queued(&guest->connection) > UNTAKEN_MAX;
}

void guest_tell(struct guest *guest, uint8_t type, uint16_t id, const void *payload, size_t length) {
    if (!guest_is_deaf(guest)) guest_send(guest, type, id, payload, length);
}

static struct request *find_request(const struct guest *guest, uint16_t id) {
    struct request *request = guest->requests;
    while (request && request->id != id) request = request->next;
    return request;
}

uint16_t guest_new_id(struct guest *guest) {
    for (int tries = 0; tries < UINT16_MAX; tries++) {
        guest->last_id = guest->last_id == UINT16_MAX ? GUEST_MAIN_PROCESS + 1 : (uint16_t)(guest->last_id + 1);
        if (!find_request(guest, guest->last_id) && !process_find(guest, guest->last_id)) return guest->last_id;
    }
    return 0;
}

/* ---- requests ---- */

struct request *guest_ask(struct guest *guest, uint8_t type, const void *payload, size_t length,
                          void (*answered)(struct request *request, const struct frame *answer), void *context) {
    uint16_t id = guest_new_id(guest);
    struct request *request = id == 0 || guest_is_deaf(guest) ? NULL : malloc(sizeof(*request));
    if (!request) return NULL;
    *request = (struct request){.id = id, .answered = answered, .context = context, .next = guest->requests};
    guest->requests = request;
    guest_send(guest, type, id, payload, length);
    return request;
}

void guest_forget(struct guest *guest, const void *context) {
    for (struct request *request = guest->requests; request; request = request->next) {
        if (request->context == context) request->context = NULL;
    }
}

static void take_answer(struct guest *guest, const struct frame *frame) {
    struct request *request = find_request(guest, frame->id);
    struct process *process = process_find(guest, frame->id);
    if (!request && frame->type == GUEST_ERROR && process && !process->started) {
        process_refuse(process, frame);
        return;
    }
    if (!request) {
        guest_violated(guest, "it answered what nobody asked");
        return;
    }
    for (struct request **link = &guest->requests; *link; link = &(*link)->next) {
        if (*link != request) continue;
        *link = request->next;
        break;
    }
    if (request->context) request->answered(request, frame);
    free(request);
}

void guest_failure(const struct frame *error, struct failure *why) {
    struct field field;
    size_t at = 0;
    fail(why, FAILURE_INTERNAL, "the guest gave no reason");
    while (field_next(error->payload, error->length, &at, &field) == FIELD_NEXT) {
        bool is_kind = field.tag == GUEST_TAG_KIND;
        if (!is_kind && field.tag != GUEST_TAG_MESSAGE) continue;
        char *into = is_kind ? why->kind : why->message;
        size_t size = is_kind ? sizeof(why->kind) : sizeof(why->message);
        size_t length = field.length < size - 1 ? field.length : size - 1;
        memcpy(into, field.value, length);
        into[length] = 0;
        words_disarm(into);
    }
}

/* ---- what comes ---- */

static void take_ready(struct guest *guest, const struct frame *frame) {
    struct field field;
    size_t at = 0;
    uint64_t version = 0;
    while (field_next(frame->payload, frame->length, &at, &field) == FIELD_NEXT) {
        if (field.tag == GUEST_TAG_VERSION && !field_number(&field, &version)) version = 0;
    }
    if (version == GUEST_VERSION) guest->events->ready(guest);
    else guest_violated(guest, "its agent speaks another version of the protocol");
}

static void take_question(struct guest *guest, const struct frame *frame) {
    bool by_tcp = frame->type == GUEST_DNS_QUERY_TCP;
    if (frame->length > UINT16_MAX) guest_violated(guest, "a question about a name is too long");
    else guest->events->question(guest, frame->id, by_tcp, frame->payload, frame->length);
}

static void on_frame(struct connection *connection, const struct frame *frame) {
    struct guest *guest = container_of(connection, struct guest, connection);
    switch (frame->type) {
        case GUEST_STDOUT:
        case GUEST_STDERR:
        case GUEST_STARTED:
        case GUEST_EXITED:
        case GUEST_WINDOW: process_take(guest, frame); return;
        case GUEST_OK:
        case GUEST_FILES:
        case GUEST_PROCESS_LIST:
        case GUEST_ERROR: take_answer(guest, frame); return;
        case GUEST_DNS_QUERY:
        case GUEST_DNS_QUERY_TCP: take_question(guest, frame); return;
        default: break;
    }
    if (frame->length > NOTE_MAX) guest_violated(guest, "a message is too long");
    else if (frame->type == GUEST_READY) take_ready(guest, frame);
    else if (frame->type == GUEST_OUT_OF_MEMORY) guest->events->out_of_memory(guest);
    else guest_violated(guest, "it sent a message that does not exist");
}
