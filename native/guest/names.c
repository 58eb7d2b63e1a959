#include "names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "refusal.h"
#include "redirect.h"

#define NAME_SERVER 0x7f00000bu /* 127.0.0.11 */

/* Questions under way; the oldest ones are forgotten beyond. */
#define BY_UDP 256
#define BY_TCP 32
/* A question by TCP has an id from here on. */
#define TCP_IDS 0x8000u

#define QUESTION_MAX 4096

/* A datagram that waits for its answer. */
struct datagram_question {
    struct sockaddr_in from;
    struct buffer question; /* empty: none waits */
};

/* A connection with one question at a time: each message has its length before it. */
struct stream {
    struct watch watch;
    struct names *names;
    struct buffer in;
    bool waits; /* for the host's answer */
};

struct names {
    struct loop *loop;
    struct port *port;
    struct watch datagrams;
    struct watch listener;
    struct datagram_question by_udp[BY_UDP];
    size_t next_datagram;
    struct stream by_tcp[BY_TCP];
    size_t next_stream;
};

static void answer_datagram(struct names *names, size_t index, const uint8_t *message, size_t length) {
    struct datagram_question *asked = &names->by_udp[index];
    AUTO_BUFFER refusal = {0};
    /* An answer that comes after its place was given to another question is for nobody. */
    bool is_other = asked->question.length == 0 || (length >= 2 && memcmp(message, asked->question.data, 2) != 0);
    if (is_other) return;
    if (length == 0) {
        append_refusal(&refusal, asked->question.data, asked->question.length);
        message = refusal.data;
        length = refusal.length;
    }
    /* A program that does not wait any more needs no answer. */
    (void)!sendto(names->datagrams.fd, message, length, MSG_NOSIGNAL, (const struct sockaddr *)&asked->from,
                  sizeof(asked->from));
    buffer_free(&asked->question);
}

static void on_datagram(struct watch *watch, uint32_t events) {
    struct names *names = container_of(watch, struct names, datagrams);
    uint8_t message[QUESTION_MAX];
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    (void)events;
    ssize_t length = RETRY(recvfrom(watch->fd, message, sizeof(message), 0, (struct sockaddr *)&from, &size));
    if (length < DNS_HEADER) return;
    size_t index = names->next_datagram;
    names->next_datagram = (index + 1) % BY_UDP;
    struct datagram_question *asked = &names->by_udp[index];
    buffer_free(&asked->question);
    asked->from = from;
    if (buffer_append(&asked->question, message, (size_t)length) < 0) return;
    port_send(names->port, GUEST_DNS_QUERY, (uint16_t)index, message, (size_t)length);
}

static void close_stream(struct stream *stream) {
    loop_close(stream->names->loop, &stream->watch);
    buffer_free(&stream->in);
    stream->waits = false;
}

/* Asks the first question that is whole, if none is under way. */
static void ask_next(struct stream *stream) {
    const struct buffer *in = &stream->in;
    size_t length = in->length < 2 ? 0 : (size_t)in->data[0] << 8 | in->data[1];
    if (stream->waits || in->length < 2 || in->length < 2 + length) return;
    if (length < DNS_HEADER || length > QUESTION_MAX) {
        close_stream(stream);
        return;
    }
    stream->waits = true;
    uint16_t id = (uint16_t)(TCP_IDS + (size_t)(stream - stream->names->by_tcp));
    port_send(stream->names->port, GUEST_DNS_QUERY_TCP, id, in->data + 2, length);
}

static void on_stream(struct watch *watch, uint32_t events) {
    struct stream *stream = container_of(watch, struct stream, watch);
    (void)events;
    uint8_t *room = stream->in.length > 2 * QUESTION_MAX ? NULL : buffer_reserve(&stream->in, QUESTION_MAX);
    ssize_t count = room ? RETRY(recv(watch->fd, room, QUESTION_MAX, 0)) : 0;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        close_stream(stream);
        return;
    }
    stream->in.length += (size_t)count;
    ask_next(stream);
}

/* The socket's buffer takes an answer whole, unless a program lets its connection stand: it loses it then. */
static void answer_stream(struct stream *stream, const uint8_t *message, size_t length) {
    AUTO_BUFFER out = {0};
    AUTO_BUFFER refusal = {0};
    size_t asked = stream->in.length < 2 ? 0 : (size_t)stream->in.data[0] << 8 | stream->in.data[1];
    bool is_other = !stream->waits || (length >= 2 && memcmp(message, stream->in.data + 2, 2) != 0);
    if (is_other) return;
    if (length == 0) {
        append_refusal(&refusal, stream->in.data + 2, asked);
        message = refusal.data;
        length = refusal.length;
    }
    uint8_t head[2] = {(uint8_t)(length >> 8), (uint8_t)length};
    buffer_append(&out, head, sizeof(head));
    buffer_append(&out, message, length);
    stream->waits = false;
    buffer_consume(&stream->in, 2 + asked);
    if (RETRY(send(stream->watch.fd, out.data, out.length, MSG_NOSIGNAL)) == (ssize_t)out.length) ask_next(stream);
    else close_stream(stream);
}

static void on_connection(struct watch *watch, uint32_t events) {
    struct names *names = container_of(watch, struct names, listener);
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct stream *stream = &names->by_tcp[names->next_stream];
    names->next_stream = (names->next_stream + 1) % BY_TCP;
    close_stream(stream);
    stream->watch.fd = fd;
    if (loop_watch(names->loop, &stream->watch, EPOLLIN) < 0) close_stream(stream);
}

void names_answer(struct names *names, uint16_t id, const uint8_t *message, size_t length) {
    if (id < BY_UDP) answer_datagram(names, id, message, length);
    else if (id >= TCP_IDS && id < TCP_IDS + BY_TCP) answer_stream(&names->by_tcp[id - TCP_IDS], message, length);
}

/* A socket at 127.0.0.11; `port` 0 takes a free one, which it then is. */
static int open_socket(int type, uint16_t *port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(NAME_SERVER)};
    socklen_t size = sizeof(address);
    AUTO_CLOSE fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) return -1;
    if (type == SOCK_STREAM && listen(fd, BY_TCP) < 0) return -1;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return -1;
    *port = ntohs(address.sin_port);
    return take_fd(&fd);
}

struct names *names_open(struct loop *loop, struct port *port, struct failure *why) {
    uint16_t number = 0;
    AUTO_CLOSE datagrams = open_socket(SOCK_DGRAM, &number);
    AUTO_CLOSE listener = datagrams < 0 ? -1 : open_socket(SOCK_STREAM, &number);
    if (listener < 0) {
        fail_errno(why, "the name service's sockets");
        return NULL;
    }
    if (redirect_names(NAME_SERVER, number, why) < 0) return NULL;
    return names_serve(loop, port, take_fd(&datagrams), take_fd(&listener), why);
}

struct names *names_serve(struct loop *loop, struct port *port, int datagrams, int listener, struct failure *why) {
    struct names *names = calloc(1, sizeof(*names));
    if (!names) {
        close(datagrams);
        close(listener);
        fail_errno(why, "the name service");
        return NULL;
    }
    names->loop = loop;
    names->port = port;
    names->datagrams = (struct watch){.fd = datagrams, .ready = on_datagram};
    names->listener = (struct watch){.fd = listener, .ready = on_connection};
    for (size_t index = 0; index < BY_TCP; index++) {
        names->by_tcp[index] = (struct stream){.watch = {.fd = -1, .ready = on_stream}, .names = names};
    }
    if (loop_watch(loop, &names->datagrams, EPOLLIN) == 0 && loop_watch(loop, &names->listener, EPOLLIN) == 0) return names;
    fail_errno(why, "the name service's sockets");
    names_close(names);
    return NULL;
}

void names_close(struct names *names) {
    loop_close(names->loop, &names->datagrams);
    loop_close(names->loop, &names->listener);
    for (size_t index = 0; index < BY_UDP; index++) buffer_free(&names->by_udp[index].question);
    for (size_t index = 0; index < BY_TCP; index++) close_stream(&names->by_tcp[index]);
    free(names);
}
