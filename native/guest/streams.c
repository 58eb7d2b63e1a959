#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/guest-protocol.h"
#include "common/io.h"

/* So much can be in a terminal or a socket; a pipe knows its size. */
#define USUAL_CAPACITY (1024 * 1024)
/* The host gets input's bytes back in portions of this size. */
#define CREDIT_PORTION (GUEST_WINDOW_BYTES / 4)

static const uint8_t OUTPUT_MESSAGES[2] = {GUEST_STDOUT, GUEST_STDERR};

static void send_output(struct process *process, int index, const void *data, size_t length) {
    process->output[index].credit -= length;
    port_send(&process->guest->port, OUTPUT_MESSAGES[index], process->id, data, length);
}

static size_t portion(const struct output *output) {
    return output->credit < GUEST_STREAM_MAX ? (size_t)output->credit : GUEST_STREAM_MAX;
}

/* An output that the host does not take now is left in its pipe, where it stops its writer. */
static void pace(struct process *process, struct output *output) {
    loop_watch(&process->guest->loop, &output->watch, output->credit > 0 && process->started ? EPOLLIN : 0);
}

static void on_output(struct process *process, int index) {
    static uint8_t chunk[GUEST_STREAM_MAX];
    struct output *output = &process->output[index];
    size_t most = portion(output);
    ssize_t count = most == 0 ? 0 : RETRY(read(output->watch.fd, chunk, most));
    if (count > 0) {
        send_output(process, index, chunk, (size_t)count);
        pace(process, output);
    } else if (most > 0 && (count == 0 || errno != EAGAIN)) {
        /* A terminal that nobody has open now may be opened again: it is only left alone until the end. */
        if (process->terminal) loop_watch(&process->guest->loop, &output->watch, 0);
        else loop_close(&process->guest->loop, &output->watch);
    } else {
        pace(process, output);
    }
}

static void on_stdout(struct watch *watch, uint32_t events) {
    (void)events;
    on_output(container_of(watch, struct process, output[0].watch), 0);
}

static void on_stderr(struct watch *watch, uint32_t events) {
    (void)events;
    on_output(container_of(watch, struct process, output[1].watch), 1);
}

static void return_credit(struct process *process, size_t taken) {
    process->input_taken += taken;
    if (process->input_taken < CREDIT_PORTION) return;
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, GUEST_TAG_STREAM, GUEST_STREAM_STDIN);
    field_append_number(&payload, GUEST_TAG_BYTES, process->input_taken);
    port_send(&process->guest->port, GUEST_WINDOW, process->id, payload.data, payload.length);
    process->input_taken = 0;
}

/* Nobody reads any more: what comes is thrown away, and the host may go on sending. */
static void discard_input(struct process *process) {
    size_t length = process->input_queue.length;
    loop_close(&process->guest->loop, &process->input);
    buffer_free(&process->input_queue);
    return_credit(process, length);
}

/* A socket is also read from, and stays open for that. */
static void end_input(struct process *process) {
    if (process->input.fd >= 0) shutdown(process->input.fd, SHUT_WR);
    loop_close(&process->guest->loop, &process->input);
}

static void feed(struct process *process) {
    while (process->input_queue.length > 0) {
        ssize_t count = RETRY(write(process->input.fd, process->input_queue.data, process->input_queue.length));
        if (count < 0 && errno == EAGAIN) {
            loop_watch(&process->guest->loop, &process->input, EPOLLOUT);
            return;
        }
        if (count < 0) {
            discard_input(process);
            return;
        }
        buffer_consume(&process->input_queue, (size_t)count);
        return_credit(process, (size_t)count);
    }
    if (process->input_ends) end_input(process);
    else loop_watch(&process->guest->loop, &process->input, 0);
}

static void on_input(struct watch *watch, uint32_t events) {
    (void)events;
    feed(container_of(watch, struct process, input));
}

void streams_init(struct process *process) {
    process->output[0] = (struct output){.watch = {.fd = -1, .ready = on_stdout}, .credit = GUEST_WINDOW_BYTES};
    process->output[1] = (struct output){.watch = {.fd = -1, .ready = on_stderr}, .credit = GUEST_WINDOW_BYTES};
    process->input = (struct watch){.fd = -1, .ready = on_input};
}

void streams_start(struct process *process) {
    for (int index = 0; index < 2; index++) pace(process, &process->output[index]);
    if (process->input.fd >= 0) feed(process);
    else discard_input(process);
}

int process_input(struct process *process, const void *data, size_t length, struct failure *why) {
    if (length > GUEST_WINDOW_BYTES - process->input_queue.length) {
        return fail(why, FAILURE_INVALID, "more input than the window allows");
    }
    bool is_lost = process->input_ends || (process->started && process->input.fd < 0);
    if (is_lost) {
        return_credit(process, length);
        return 0;
    }
    if (buffer_append(&process->input_queue, data, length) < 0) return fail_errno(why, "the input");
    if (process->started) feed(process);
    return 0;
}

void process_input_end(struct process *process) {
    process->input_ends = true;
    if (process->started) feed(process);
}

/* What an ended process has left, as far as the host takes it. */
static void send_rest(struct process *process, int index) {
    struct output *output = &process->output[index];
    while (output->rest.length > 0 && output->credit > 0) {
        size_t most = portion(output);
        size_t length = output->rest.length < most ? output->rest.length : most;
        send_output(process, index, output->rest.data, length);
        buffer_consume(&output->rest, length);
    }
}

int process_credit(struct process *process, uint64_t stream, uint64_t bytes, struct failure *why) {
    if (stream != GUEST_STREAM_STDOUT && stream != GUEST_STREAM_STDERR) {
        return fail(why, FAILURE_INVALID, "there is no stream %llu", (unsigned long long)stream);
    }
    int index = stream == GUEST_STREAM_STDOUT ? 0 : 1;
    struct output *output = &process->output[index];
    if (bytes > GUEST_WINDOW_BYTES - output->credit) return fail(why, FAILURE_INVALID, "a window is at most 256 KiB");
    output->credit += bytes;
    if (process->ended) {
        send_rest(process, index);
        exit_if_sent(process);
    } else {
        pace(process, output);
    }
    return 0;
}

/*
 * The process is dead, so all that it wrote is here already, and is no more than the pipe holds. Descendants that still
 * have the pipe are not waited for, however much they write.
 */
static void drain(struct process *process, int index) {
    struct output *output = &process->output[index];
    if (output->watch.fd < 0) return;
    long capacity = fcntl(output->watch.fd, F_GETPIPE_SZ);
    if (capacity < 0) capacity = USUAL_CAPACITY;
    while ((long)output->rest.length < capacity) {
        uint8_t *room = buffer_reserve(&output->rest, GUEST_STREAM_MAX);
        ssize_t count = room ? RETRY(read(output->watch.fd, room, GUEST_STREAM_MAX)) : -1;
        if (count <= 0) break;
        output->rest.length += (size_t)count;
    }
    loop_close(&process->guest->loop, &output->watch);
    send_rest(process, index);
}

void streams_drain(struct process *process) {
    loop_close(&process->guest->loop, &process->input);
    buffer_free(&process->input_queue);
    for (int index = 0; index < 2; index++) drain(process, index);
}

bool streams_are_sent(const struct process *process) {
    return process->output[0].rest.length == 0 && process->output[1].rest.length == 0;
}

void streams_close(struct process *process) {
    loop_close(&process->guest->loop, &process->input);
    buffer_free(&process->input_queue);
    for (int index = 0; index < 2; index++) {
        loop_close(&process->guest->loop, &process->output[index].watch);
        buffer_free(&process->output[index].rest);
    }
}
