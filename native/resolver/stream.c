/*
 * DNS by TCP (RFC 7766): messages with their length before them, one after the other. The next message of a connection
 * is looked at when the one before it is answered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/io.h"
#include "resolver.h"

struct stream {
    struct watch watch;
    struct sandbox *sandbox;
    struct buffer in;
    struct buffer out;
    bool waiting; /* for a forwarded answer */
    bool broken;
    uint64_t deadline;
    struct stream *next;
};

static void stream_free(struct stream *stream) {
    struct resolver *resolver = stream->sandbox->resolver;
    for (struct stream **link = &resolver->streams; *link; link = &(*link)->next) {
        if (*link != stream) continue;
        *link = stream->next;
        break;
    }
    resolver->stream_count--;
    stream->sandbox->stream_count--;
    forwards_cancel(resolver, stream->sandbox, stream);
    loop_close(&resolver->loop, &stream->watch);
    buffer_free(&stream->in);
    buffer_free(&stream->out);
    free(stream);
}

static void flush(struct stream *stream) {
    while (stream->out.length > 0) {
        ssize_t count = RETRY(send(stream->watch.fd, stream->out.data, stream->out.length, MSG_NOSIGNAL));
        if (count < 0 && errno == EAGAIN) return;
        if (count < 0) {
            stream->broken = true;
            return;
        }
        buffer_consume(&stream->out, (size_t)count);
    }
}

static void append(struct stream *stream, const uint8_t *message, size_t length) {
    const uint8_t head[2] = {(uint8_t)(length >> 8), (uint8_t)length};
    if (buffer_append(&stream->out, head, sizeof(head)) < 0 || buffer_append(&stream->out, message, length) < 0) {
        stream->broken = true;
    }
}

/* The whole message at the beginning of what came; 0 when it is not there yet. */
static size_t whole_message(const struct stream *stream) {
    if (stream->in.length < 2) return 0;
    size_t length = (size_t)(stream->in.data[0] << 8 | stream->in.data[1]);
    return stream->in.length < 2 + length ? 0 : 2 + length;
}

/* Answers what is there, until one message has to wait or the client does not read its answers. */
static void work(struct stream *stream) {
    static uint8_t data[MESSAGE_MAX];
    size_t length;
    while (!stream->broken && !stream->waiting && stream->out.length == 0 && (length = whole_message(stream)) > 0) {
        const struct requester requester = {.sandbox = stream->sandbox, .stream = stream};
        size_t used = 0;
        AUTO_BUFFER message = {0};
        if (buffer_append(&message, stream->in.data + 2, length - 2) < 0) stream->broken = true;
        buffer_consume(&stream->in, length);
        stream->waiting = true;
        switch (stream->broken ? OUTCOME_SILENCE
                               : sandbox_ask(&requester, message.data, message.length, data, sizeof(data), &used)) {
            case OUTCOME_ANSWERED:
                stream->waiting = false;
                append(stream, data, used);
                break;
            case OUTCOME_SILENCE: stream->broken = true; break;
            case OUTCOME_FORWARDED: break;
        }
        flush(stream);
    }
}

static void watch_stream(struct stream *stream) {
    uint32_t events = stream->out.length > 0 ? EPOLLOUT : stream->waiting ? 0 : EPOLLIN;
    loop_watch(&stream->sandbox->resolver->loop, &stream->watch, events);
}

/* Works on, or ends a connection that is of no more use. */
static void go_on(struct stream *stream) {
    work(stream);
    if (stream->broken) stream_free(stream);
    else watch_stream(stream);
}

static void receive(struct stream *stream) {
    uint8_t *room = buffer_reserve(&stream->in, 4096);
    ssize_t count = room ? RETRY(recv(stream->watch.fd, room, 4096, 0)) : 0;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        stream->broken = true;
        return;
    }
    stream->in.length += (size_t)count;
    stream->deadline = milliseconds() + STREAM_IDLE_TIME;
}

static void on_ready(struct watch *watch, uint32_t events) {
    struct stream *stream = container_of(watch, struct stream, watch);
    if (stream->out.length > 0) flush(stream);
    else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) receive(stream);
    go_on(stream);
}

void stream_deliver(struct stream *stream, const uint8_t *message, size_t length) {
    stream->waiting = false;
    append(stream, message, length);
    flush(stream);
    /* Not further here: this may be within the asking of the very message. The loop comes back to it. */
    loop_watch(&stream->sandbox->resolver->loop, &stream->watch, EPOLLOUT);
}

void stream_accept(struct sandbox *sandbox) {
    struct resolver *resolver = sandbox->resolver;
    AUTO_CLOSE socket = accept4(sandbox->tcp.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return;
    if (resolver->stream_count >= STREAMS_MAX || sandbox->stream_count >= SANDBOX_STREAMS_MAX) return;
    struct stream *stream = calloc(1, sizeof(*stream));
    if (!stream) return;
    *stream = (struct stream){.watch = {.fd = take_fd(&socket), .ready = on_ready},
                              .sandbox = sandbox,
                              .deadline = milliseconds() + STREAM_IDLE_TIME,
                              .next = resolver->streams};
    resolver->streams = stream;
    resolver->stream_count++;
    sandbox->stream_count++;
    resolver_tick(resolver);
    if (loop_watch(&resolver->loop, &stream->watch, EPOLLIN) < 0) stream_free(stream);
}

void streams_close(struct resolver *resolver, const struct sandbox *sandbox) {
    for (struct stream *stream = resolver->streams, *next; stream; stream = next) {
        next = stream->next;
        if (stream->sandbox == sandbox) stream_free(stream);
    }
}

void streams_expire(struct resolver *resolver, uint64_t now) {
    for (struct stream *stream = resolver->streams, *next; stream; stream = next) {
        next = stream->next;
        if (now >= stream->deadline) stream_free(stream);
    }
}
