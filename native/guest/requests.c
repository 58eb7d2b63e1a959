#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounts.h"
#include "common/fields.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "guest.h"
#include "identity.h"
#include "machine.h"
#include "names.h"
#include "process.h"

/* What small requests hold. */
struct request {
    uint64_t number;
    uint64_t rows;
    uint64_t columns;
    uint64_t stream;
    uint64_t bytes;
    uint64_t time;
};

static int take_request_field(const struct field *field, void *into, struct failure *why) {
    struct request *request = into;
    switch (field->tag) {
        case GUEST_TAG_NUMBER: return take_number(field, &request->number, why);
        case GUEST_TAG_ROWS: return take_number(field, &request->rows, why);
        case GUEST_TAG_COLUMNS: return take_number(field, &request->columns, why);
        case GUEST_TAG_STREAM: return take_number(field, &request->stream, why);
        case GUEST_TAG_BYTES: return take_number(field, &request->bytes, why);
        case GUEST_TAG_TIME: return take_number(field, &request->time, why);
        default: return field_broken(field, why);
    }
}

static void answer_ok(struct guest *guest, uint16_t id) {
    port_send(&guest->port, GUEST_OK, id, NULL, 0);
}

static int set_up(struct guest *guest, const struct frame *frame, struct failure *why) {
    if (guest->is_set_up) return fail(why, FAILURE_CONFLICT, "the machine is set up already");
    if (setup_decode(frame->payload, frame->length, &guest->setup, why) < 0 || make_machine(&guest->setup, why) < 0) {
        return -1;
    }
    if (guest->setup.name_service) {
        guest->names = names_open(&guest->loop, &guest->port, why);
        if (!guest->names) return -1;
    }
    guest->is_set_up = true;
    answer_ok(guest, frame->id);
    return 0;
}

static int start(struct guest *guest, const struct frame *frame, struct failure *why) {
    struct process_plan plan;
    int result = process_decode(frame->payload, frame->length, &plan, why);
    if (result == 0) result = process_start(guest, frame->id, &plan, why);
    process_plan_free(&plan);
    return result;
}

static int change_process(struct guest *guest, const struct frame *frame, struct failure *why) {
    struct request request = {0};
    struct process *process = process_find(guest, frame->id);
    if (!process) return 0; /* it has ended meanwhile: EXITED is under way */
    bool has_fields = frame->type != GUEST_STDIN && frame->type != GUEST_CLOSE_STDIN;
    if (has_fields && take_fields(frame->payload, frame->length, take_request_field, &request, why) < 0) return -1;
    switch (frame->type) {
        case GUEST_STDIN: return process_input(process, frame->payload, frame->length, why);
        case GUEST_SIGNAL: return process_signal(process, request.number, why);
        case GUEST_RESIZE: return process_resize(process, request.rows, request.columns, why);
        case GUEST_WINDOW: return process_credit(process, request.stream, request.bytes, why);
        default: process_input_end(process); return 0;
    }
}

/* One of SETUP's files is written where it was made, so that all who have it mounted see it. */
static int put_file(struct guest *guest, const struct frame *frame, struct failure *why) {
    struct file_plan file;
    int result = file_decode(frame->payload, frame->length, &file, why);
    size_t index = 0;
    while (result == 0 && index < guest->setup.file_count && strcmp(guest->setup.files[index].path, file.path) != 0) index++;
    if (result == 0 && index == guest->setup.file_count) {
        result = fail(why, FAILURE_NOT_FOUND, "%s is no file of the machine's set-up", file.path);
    }
    if (result == 0) {
        char path[64];
        machine_file_path(index, path, sizeof(path));
        result = write_file(path, &file, why);
    }
    file_free(&file);
    if (result == 0) answer_ok(guest, frame->id);
    return result;
}

static int set_time(struct guest *guest, const struct frame *frame, struct failure *why) {
    struct request request = {0};
    if (take_fields(frame->payload, frame->length, take_request_field, &request, why) < 0) return -1;
    if (set_clock(request.time, why) < 0) return -1;
    answer_ok(guest, frame->id);
    return 0;
}

static void answer_payload(struct guest *guest, const struct frame *frame, uint8_t type,
                           void (*append)(struct buffer *payload)) {
    AUTO_BUFFER payload = {0};
    append(&payload);
    port_send(&guest->port, type, frame->id, payload.data, payload.length);
}

static void append_version(struct buffer *payload) {
    field_append_number(payload, GUEST_TAG_VERSION, GUEST_VERSION);
}

static void kill_all(struct guest *guest) {
    for (struct process *process = guest->processes; process; process = process->next) {
        if (!process->ended) kill(process->pid, SIGKILL);
    }
}

static int handle(struct guest *guest, const struct frame *frame, struct failure *why) {
    switch (frame->type) {
        case GUEST_SETUP: return set_up(guest, frame, why);
        case GUEST_START: return start(guest, frame, why);
        case GUEST_STDIN:
        case GUEST_CLOSE_STDIN:
        case GUEST_SIGNAL:
        case GUEST_RESIZE:
        case GUEST_WINDOW: return change_process(guest, frame, why);
        case GUEST_PUT_FILE: return put_file(guest, frame, why);
        case GUEST_SET_TIME: return set_time(guest, frame, why);
        case GUEST_STATISTICS: answer_payload(guest, frame, GUEST_FILES, append_statistics); return 0;
        case GUEST_PROCESSES: answer_payload(guest, frame, GUEST_PROCESS_LIST, append_processes); return 0;
        case GUEST_PING: answer_payload(guest, frame, GUEST_READY, append_version); return 0;
        case GUEST_DNS_ANSWER:
            if (guest->names) names_answer(guest->names, frame->id, frame->payload, frame->length);
            return 0;
        case GUEST_KILL_ALL:
            kill_all(guest);
            answer_ok(guest, frame->id);
            return 0;
        case GUEST_POWER_OFF: power_off(guest, true, frame->id);
        default: return fail(why, FAILURE_NOT_IMPLEMENTED, "the request %u is unknown", frame->type);
    }
}

void guest_frame(struct port *port, const struct frame *frame) {
    struct guest *guest = container_of(port, struct guest, port);
    struct failure why;
    if (handle(guest, frame, &why) < 0) port_refuse(port, frame->id, &why);
}
