#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/guest-protocol.h"
#include "common/io.h"

/* So much is given back at once: less would be a message for each few bytes. */
#define CREDIT_STEP (GUEST_WINDOW_BYTES / 4)

/* ---- output ---- */

static void on_writable(struct watch *watch, uint32_t events);

void output_open(struct output *output, struct loop *loop, int fd, void (*moved)(struct output *output)) {
    *output = (struct output){.watch = {.fd = fd, .ready = on_writable}, .loop = loop, .moved = moved};
    if (fd >= 0 && set_nonblocking(fd) < 0) output_close(output);
}

static void hand_on(struct output *output, size_t length) {
    output->handed_on += length;
}

/* Nobody reads any more: the guest is not told, as a program with a log that nobody reads is not. */
static void give_up(struct output *output) {
    hand_on(output, output->pending.length);
    output_close(output);
}

/* How many bytes were taken; all of them when nobody reads. */
static size_t write_some(struct output *output, const uint8_t *data, size_t length) {
    size_t written = 0;
    while (output->watch.fd >= 0 && written < length) {
        ssize_t count = RETRY(write(output->watch.fd, data + written, length - written));
        if (count < 0 && errno == EAGAIN) return written;
        if (count < 0) output_close(output);
        else written += (size_t)count;
    }
    return output->watch.fd < 0 ? length : written;
}

static void write_pending(struct output *output) {
    if (output->pending.length == 0) return;
    struct buffer pending = output->pending;
    output->pending = (struct buffer){0}; /* a close in between must not free what is being written */
    size_t written = write_some(output, pending.data, pending.length);
    hand_on(output, written);
    buffer_consume(&pending, written);
    output->pending = pending;
}

static void on_writable(struct watch *watch, uint32_t events) {
    (void)events;
    struct output *output = container_of(watch, struct output, watch);
    write_pending(output);
    if (output->pending.length == 0) loop_watch(output->loop, &output->watch, 0);
    output->moved(output);
}

bool output_take(struct output *output, const uint8_t *data, size_t length) {
    if (length > GUEST_WINDOW_BYTES - output->under_way) return false;
    output->under_way += length;
    size_t written = output->pending.length > 0 ? 0 : write_some(output, data, length);
    hand_on(output, written);
    if (written == length) return true;
    if (buffer_append(&output->pending, data + written, length - written) < 0) return false;
    if (loop_watch(output->loop, &output->watch, EPOLLOUT) < 0) give_up(output);
    return true;
}

size_t output_credit(struct output *output) {
    size_t credit = output->handed_on;
    if (credit < CREDIT_STEP) return 0;
    output->handed_on = 0;
    output->under_way -= credit;
    return credit;
}

bool output_is_idle(const struct output *output) {
    return output->pending.length == 0;
}

void output_flush(struct output *output) {
    int in_pipe = 0;
    if (output->pending.length == 0 || output->watch.fd < 0) return;
    if (ioctl(output->watch.fd, FIONREAD, &in_pipe) == 0) {
        /* A page more: the last one in the pipe may be only partly full. */
        fcntl(output->watch.fd, F_SETPIPE_SZ, in_pipe + (int)output->pending.length + 8192);
    }
    write_pending(output);
    if (output->pending.length == 0) loop_watch(output->loop, &output->watch, 0);
}

int output_say(int fd, const char *text, size_t length) {
    ssize_t written = RETRY(write(fd, text, length));
    if (written < 0 && errno == EAGAIN) {
        /* Beyond its present size: pieces that do not fill their pages leave less room than there seems to be. */
        int size = fcntl(fd, F_GETPIPE_SZ);
        if (size > 0) fcntl(fd, F_SETPIPE_SZ, size + PIPE_BUF);
        written = RETRY(write(fd, text, length));
    }
    return written == (ssize_t)length ? 0 : -1;
}

void output_close(struct output *output) {
    loop_close(output->loop, &output->watch);
    buffer_free(&output->pending);
}

/* ---- input ---- */

static void on_readable(struct watch *watch, uint32_t events);

void input_open(struct input *input, struct loop *loop, int fd,
                void (*came)(struct input *input, const uint8_t *data, size_t length)) {
    *input = (struct input){
        .watch = {.fd = fd, .ready = on_readable}, .loop = loop, .credit = GUEST_WINDOW_BYTES, .held = true, .came = came};
    if (fd >= 0 && set_nonblocking(fd) < 0) input_close(input);
}

/* False when there is nothing to read now. */
static bool read_some(struct input *input) {
    static uint8_t data[GUEST_STREAM_MAX];
    size_t room = input->credit < sizeof(data) ? input->credit : sizeof(data);
    ssize_t count = RETRY(read(input->watch.fd, data, room));
    if (count < 0 && errno == EAGAIN) return false;
    if (count <= 0) {
        input_close(input);
        input->came(input, NULL, 0);
        return false;
    }
    input->credit -= (size_t)count;
    input->came(input, data, (size_t)count);
    return true;
}

static bool may_read(const struct input *input) {
    return input->watch.fd >= 0 && !input->held && input->credit > 0;
}

bool input_give(struct input *input, uint64_t bytes) {
    if (bytes > GUEST_WINDOW_BYTES - input->credit) return false;
    input->credit += (size_t)bytes;
    return true;
}

static void read_on(struct input *input) {
    if (!may_read(input)) {
        loop_watch(input->loop, &input->watch, 0);
        return;
    }
    if (!input->always_ready && loop_watch(input->loop, &input->watch, EPOLLIN) < 0) {
        if (errno == EPERM) input->always_ready = true;
        else input_close(input);
    }
    while (input->always_ready && may_read(input) && read_some(input)) continue;
}

static void on_readable(struct watch *watch, uint32_t events) {
    (void)events;
    struct input *input = container_of(watch, struct input, watch);
    if (may_read(input)) read_some(input);
    read_on(input);
}

void input_continue(struct input *input) {
    input->held = false;
    read_on(input);
}

void input_hold(struct input *input) {
    input->held = true;
    loop_watch(input->loop, &input->watch, 0);
}

void input_close(struct input *input) {
    loop_close(input->loop, &input->watch);
}
