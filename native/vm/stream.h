/*
 * The host's ends of a guest's streams. Of each, GUEST_WINDOW_BYTES at most are under way, so neither a reader here
 * that does not read nor a guest that does not listen costs more memory than that, or stops another stream.
 */
#ifndef BERTH_VM_STREAM_H
#define BERTH_VM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/loop.h"

/* From the guest to a descriptor. */
struct output {
    struct watch watch;
    struct loop *loop;
    struct buffer pending;
    size_t under_way; /* bytes that came and were not given back to the guest */
    size_t handed_on; /* of these: what can be given back */
    /* Bytes were handed on, or `pending` has become empty. */
    void (*moved)(struct output *output);
};

/* Takes `fd` over; -1: everything is thrown away. */
void output_open(struct output *output, struct loop *loop, int fd, void (*moved)(struct output *output));

/* False when the guest sends more than it may, or memory is short. */
bool output_take(struct output *output, const uint8_t *data, size_t length);

/* Bytes to give back to the guest now; small change is kept for later. */
size_t output_credit(struct output *output);

/* Nothing waits. */
bool output_is_idle(const struct output *output);

/* Puts what waits into the pipe, made as large as that needs: whoever reads it, reads it later. */
void output_flush(struct output *output);

void output_close(struct output *output);

/* Writes a line of our own, of at most PIPE_BUF bytes, to a pipe made as large as that needs. -1: nobody reads it any more. */
int output_say(int fd, const char *text, size_t length);

/* From a descriptor to the guest. */
struct input {
    struct watch watch;
    struct loop *loop;
    size_t credit;
    bool always_ready; /* a file or /dev/null, which cannot be watched */
    bool held;         /* the way to the guest is full */
    /* Some bytes came, or none: the end, after which the input is closed. */
    void (*came)(struct input *input, const uint8_t *data, size_t length);
};

/* Takes `fd` over; -1: nothing ever comes. Reads nothing before input_continue(). */
void input_open(struct input *input, struct loop *loop, int fd,
                void (*came)(struct input *input, const uint8_t *data, size_t length));

/* The guest takes `bytes` more. False when that is more than it may. */
bool input_give(struct input *input, uint64_t bytes);

/* Reads on, as far as there is credit; or holds it. */
void input_continue(struct input *input);
void input_hold(struct input *input);

void input_close(struct input *input);

#endif
