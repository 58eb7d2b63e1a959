/* Processes of the guest, with their streams. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"
#include "guest-internal.h"

/* So much may wait for the guest before more input is read. */
#define QUEUE_MAX (256u * 1024)

struct process *process_find(const struct guest *guest, uint16_t id) {
    struct process *process = guest->processes;
    while (process && process->id != id) process = process->next;
    return process;
}

void process_free(struct process *process) {
    for (struct process **link = &process->guest->processes; *link; link = &(*link)->next) {
        if (*link != process) continue;
        *link = process->next;
        break;
    }
    input_close(&process->input);
    for (int index = 0; index < 2; index++) {
        output_flush(&process->output[index]);
        output_close(&process->output[index]);
    }
    free(process);
}

/* ---- input ---- */

static bool way_is_full(const struct guest *guest) {
    return connection_queued(&guest->connection) > QUEUE_MAX;
}

static void input_came(struct input *input, const uint8_t *data, size_t length) {
    struct process *process = container_of(input, struct process, input);
    struct guest *guest = process->guest;
    if (length == 0) guest_send(guest, GUEST_CLOSE_STDIN, process->id, NULL, 0);
    else guest_send(guest, GUEST_STDIN, process->id, data, length);
    if (way_is_full(guest)) input_hold(input);
}

/* ---- output ---- */

static void give_credit(struct process *process) {
    if (process->exited) return;
    if (guest_is_deaf(process->guest)) {
        connection_ask(&process->guest->connection); /* it is given back when that is taken which waits */
        return;
    }
    for (int index = 0; index < 2; index++) {
        size_t credit = output_credit(&process->output[index]);
        AUTO_BUFFER fields = {0};
        if (credit == 0) continue;
        uint64_t stream = index == 0 ? GUEST_STREAM_STDOUT : GUEST_STREAM_STDERR;
        if (field_append_number(&fields, GUEST_TAG_STREAM, stream) < 0 ||
            field_append_number(&fields, GUEST_TAG_BYTES, credit) < 0) {
            continue;
        }
        guest_send(process->guest, GUEST_WINDOW, process->id, fields.data, fields.length);
    }
}

void processes_continue(struct guest *guest) {
    for (struct process *process = guest->processes; process; process = process->next) {
        give_credit(process);
        if (process->started && !way_is_full(guest)) input_continue(&process->input);
    }
}

/* A process has ended for whoever waits when all that it wrote was handed on. */
static void end_when_idle(struct process *process) {
    if (!process->exited || !output_is_idle(&process->output[0]) || !output_is_idle(&process->output[1])) return;
    process->events->ended(process);
    process_free(process);
}

static void output_moved(struct process *process) {
    give_credit(process);
    end_when_idle(process);
}

static void stdout_moved(struct output *output) {
    output_moved(container_of(output, struct process, output[0]));
}

static void stderr_moved(struct output *output) {
    output_moved(container_of(output, struct process, output[1]));
}

/* ---- start ---- */

struct process *process_start(struct guest *guest, const void *payload, size_t length, int streams[3],
                              const struct process_events *events, void *context) {
    uint16_t id = guest->has_started ? guest_new_id(guest) : GUEST_MAIN_PROCESS;
    struct process *process = id == 0 || guest_is_deaf(guest) ? NULL : calloc(1, sizeof(*process));
    if (!process) {
        for (int index = 0; index < 3; index++) close_fd(&streams[index]);
        return NULL;
    }
    process->guest = guest;
    process->id = id;
    process->events = events;
    process->context = context;
    input_open(&process->input, guest->loop, take_fd(&streams[0]), input_came);
    output_open(&process->output[0], guest->loop, take_fd(&streams[1]), stdout_moved);
    output_open(&process->output[1], guest->loop, take_fd(&streams[2]), stderr_moved);
    process->next = guest->processes;
    guest->processes = process;
    guest->has_started = true;
    guest_send(guest, GUEST_START, id, payload, length);
    return process;
}

void process_connect(struct process *process, int connection) {
    struct loop *loop = process->guest->loop;
    output_open(&process->output[0], loop, fcntl(connection, F_DUPFD_CLOEXEC, 3), stdout_moved);
    input_open(&process->input, loop, connection, input_came);
    input_continue(&process->input);
}

void process_refuse(struct process *process, const struct frame *error) {
    struct failure why;
    guest_failure(error, &why);
    process->events->refused(process, &why);
    process_free(process);
}

/* ---- what the guest says ---- */

/* Number fields of a frame, by their tags; false when it is not made of fields. */
struct numbers {
    const uint16_t *tags;
    uint64_t *values;
    size_t count;
};

static bool read_numbers(const struct frame *frame, const struct numbers *numbers) {
    struct field field;
    size_t at = 0;
    enum field_result result;
    while ((result = field_next(frame->payload, frame->length, &at, &field)) == FIELD_NEXT) {
        for (size_t index = 0; index < numbers->count; index++) {
            if (field.tag == numbers->tags[index] && !field_number(&field, &numbers->values[index])) return false;
        }
    }
    return result == FIELD_END;
}

static const char *take_output(struct process *process, const struct frame *frame) {
    struct output *output = &process->output[frame->type == GUEST_STDERR];
    if (frame->length > GUEST_STREAM_MAX) return "a piece of output is too long";
    if (process->exited || !output_take(output, frame->payload, frame->length)) {
        return "it sends more output than it may";
    }
    give_credit(process);
    return NULL;
}

static const char *take_window(struct process *process, const struct frame *frame) {
    static const uint16_t TAGS[] = {GUEST_TAG_STREAM, GUEST_TAG_BYTES};
    uint64_t values[] = {GUEST_STREAM_STDIN, 0};
    const struct numbers numbers = {TAGS, values, 2};
    if (!read_numbers(frame, &numbers) || values[0] != GUEST_STREAM_STDIN || !input_give(&process->input, values[1])) {
        return "it takes more input than there was";
    }
    if (process->started && !way_is_full(process->guest)) input_continue(&process->input);
    return NULL;
}

static const char *take_started(struct process *process, const struct frame *frame) {
    static const uint16_t TAGS[] = {GUEST_TAG_PID};
    uint64_t pid = 0;
    const struct numbers numbers = {TAGS, &pid, 1};
    if (process->started || !read_numbers(frame, &numbers)) return "a process started that cannot";
    process->started = true;
    process->events->started(process, pid);
    if (!process->guest->is_broken) input_continue(&process->input);
    return NULL;
}

/* We end as it did: by one that stops a process, we would stand still. */
static bool may_end_a_process(uint64_t signal_number) {
    return signal_number <= 64 && signal_number != SIGSTOP && signal_number != SIGTSTP && signal_number != SIGTTIN &&
           signal_number != SIGTTOU;
}

static const char *take_exited(struct process *process, const struct frame *frame) {
    static const uint16_t TAGS[] = {GUEST_TAG_CODE, GUEST_TAG_END_SIGNAL, GUEST_TAG_OUT_OF_MEMORY};
    uint64_t values[3] = {0};
    const struct numbers numbers = {TAGS, values, 3};
    if (!process->started || process->exited || !read_numbers(frame, &numbers) || values[0] > 255 ||
        !may_end_a_process(values[1])) {
        return "a process ended that cannot";
    }
    process->exited = true;
    process->code = (int)values[0];
    process->signal = (int)values[1];
    process->out_of_memory = values[2] == 1;
    input_close(&process->input);
    for (int index = 0; index < 2; index++) output_flush(&process->output[index]);
    end_when_idle(process);
    return NULL;
}

void process_take(struct guest *guest, const struct frame *frame) {
    struct process *process = process_find(guest, frame->id);
    const char *broken = NULL;
    if (!process) {
        /* Input of a process that has just ended is given back still. */
        if (frame->type != GUEST_WINDOW) guest_violated(guest, "it speaks of a process that does not exist");
        return;
    }
    switch (frame->type) {
        case GUEST_STDOUT:
        case GUEST_STDERR: broken = take_output(process, frame); break;
        case GUEST_WINDOW: broken = process->exited ? NULL : take_window(process, frame); break;
        case GUEST_STARTED: broken = take_started(process, frame); break;
        default: broken = take_exited(process, frame); break;
    }
    if (broken) guest_violated(guest, broken);
}

/* ---- what it is told ---- */

static void send_numbers(struct process *process, uint8_t type, const struct numbers *numbers) {
    AUTO_BUFFER fields = {0};
    if (process->exited) return;
    for (size_t index = 0; index < numbers->count; index++) {
        if (field_append_number(&fields, numbers->tags[index], numbers->values[index]) < 0) return;
    }
    guest_tell(process->guest, type, process->id, fields.data, fields.length);
}

void process_signal(struct process *process, int number) {
    static const uint16_t TAGS[] = {GUEST_TAG_NUMBER};
    uint64_t value = (uint64_t)number;
    const struct numbers numbers = {TAGS, &value, 1};
    send_numbers(process, GUEST_SIGNAL, &numbers);
}

void process_abandon(struct process *process) {
    process->context = NULL;
    process_signal(process, SIGKILL);
    if (process->started) return;
    input_close(&process->input);
    for (int index = 0; index < 2; index++) output_close(&process->output[index]);
}

void process_resize(struct process *process, uint16_t rows, uint16_t columns) {
    static const uint16_t TAGS[] = {GUEST_TAG_ROWS, GUEST_TAG_COLUMNS};
    uint64_t values[] = {rows, columns};
    const struct numbers numbers = {TAGS, values, 2};
    send_numbers(process, GUEST_RESIZE, &numbers);
}
