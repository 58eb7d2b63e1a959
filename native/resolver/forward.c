/*
 * Questions about names outside. Each has a socket of its own, connected to the server that is asked, so that the
 * kernel chooses a random port and drops what others send; the id is random too, and the answer must repeat the question.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/io.h"
#include "resolver.h"

#define DNS_PORT 53
/* The host's servers, as the launcher copies them. */
#define HOST_FILE "host"
#define HOST_FILE_MAX (64u * 1024)

struct forward {
    struct watch watch;
    struct requester requester;
    struct resolver *resolver;
    uint8_t *query;
    size_t length;
    uint16_t client_id;
    struct address servers[SERVERS_MAX];
    size_t server_count;
    size_t attempt;
    bool local;           /* asked through the sandbox's own socket */
    struct buffer stream; /* by TCP: first what is still to be sent, then what has come */
    bool sent;
    uint64_t deadline;
    struct forward *next;
};

static void forward_free(struct forward *forward) {
    struct resolver *resolver = forward->resolver;
    for (struct forward **link = &resolver->forwards; *link; link = &(*link)->next) {
        if (*link != forward) continue;
        *link = forward->next;
        break;
    }
    resolver->forward_count--;
    forward->requester.sandbox->forward_count--;
    loop_close(&resolver->loop, &forward->watch);
    buffer_free(&forward->stream);
    free(forward->query);
    free(forward);
}

/* Gives the client its answer; the forward is over, so `message` must not be its memory. */
static void deliver(struct forward *forward, uint8_t *message, size_t length) {
    const struct requester requester = forward->requester;
    message_set_id(message, forward->client_id);
    forward_free(forward);
    if (requester.stream) {
        stream_deliver(requester.stream, message, length);
    } else {
        sendto(requester.sandbox->udp.fd, message, length, MSG_NOSIGNAL, (const struct sockaddr *)&requester.client,
               sizeof(requester.client));
    }
}

static void give_up(struct forward *forward) {
    uint8_t data[PLAIN_UDP_MAX];
    struct question question;
    struct reply reply;
    bool readable = question_read(forward->query, forward->length, &question) == QUESTION_WHOLE;
    reply_begin(&reply, data, sizeof(data), forward->query, readable ? &question : NULL, RCODE_SERVER_FAILURE);
    deliver(forward, data, reply_end(&reply));
}

static void on_ready(struct watch *watch, uint32_t events);

static socklen_t socket_address(const struct address *address, struct sockaddr_storage *out) {
    memset(out, 0, sizeof(*out));
    if (address->family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(DNS_PORT);
        memcpy(&v4->sin_addr, address->bytes, sizeof(v4->sin_addr));
        return sizeof(*v4);
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(DNS_PORT);
    memcpy(&v6->sin6_addr, address->bytes, sizeof(v6->sin6_addr));
    return sizeof(*v6);
}

/* The query by TCP waits in the buffer until the connection stands. */
static int prepare_stream(struct forward *forward) {
    const uint8_t head[2] = {(uint8_t)(forward->length >> 8), (uint8_t)forward->length};
    buffer_free(&forward->stream);
    forward->sent = false;
    if (buffer_append(&forward->stream, head, sizeof(head)) < 0) return -1;
    return buffer_append(&forward->stream, forward->query, forward->length);
}

/* A server on the container's own loopback (--dns 127.0.0.1): reached through the socket that was opened there. */
static int ask_local(struct forward *forward, const struct sockaddr_storage *address, socklen_t length) {
    if (forward->requester.stream) return -1;
    forward->local = true;
    ssize_t sent = sendto(forward->requester.sandbox->udp.fd, forward->query, forward->length, MSG_NOSIGNAL,
                          (const struct sockaddr *)address, length);
    return sent < 0 ? -1 : 0;
}

static bool is_loopback(const struct address *server) {
    return server->family == AF_INET && server->bytes[0] == 127;
}

static int ask(struct forward *forward, const struct address *server, bool own_server) {
    struct sockaddr_storage address;
    socklen_t length = socket_address(server, &address);
    uint16_t id;
    if (getrandom(&id, sizeof(id), 0) != sizeof(id)) return -1;
    message_set_id(forward->query, id);
    if (own_server && is_loopback(server)) return ask_local(forward, &address, length);
    forward->local = false;
    bool stream = forward->requester.stream != NULL;
    int type = (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    forward->watch = (struct watch){.fd = socket(server->family, type, 0), .ready = on_ready};
    if (forward->watch.fd < 0) return -1;
    if (connect(forward->watch.fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS) return -1;
    if (stream) {
        if (prepare_stream(forward) < 0) return -1;
    } else if (send(forward->watch.fd, forward->query, forward->length, MSG_NOSIGNAL) < 0) {
        return -1;
    }
    return loop_watch(&forward->resolver->loop, &forward->watch, stream ? EPOLLOUT : EPOLLIN);
}

/* Asks the next server. `again`: one that kept silent may be asked a second time, one that said no may not. */
static void ask_next(struct forward *forward, bool again) {
    const bool own_servers = forward->requester.sandbox->view.server_count > 0;
    while (forward->attempt < ATTEMPTS_MAX && (again || forward->attempt < forward->server_count)) {
        const struct address *server = &forward->servers[forward->attempt++ % forward->server_count];
        loop_close(&forward->resolver->loop, &forward->watch);
        forward->deadline = milliseconds() + ATTEMPT_TIME;
        if (ask(forward, server, own_servers) == 0) return;
        again = false;
    }
    give_up(forward);
}

/* An answer that says that this server cannot help; the next one may. */
static bool is_refusal(const uint8_t *message) {
    enum rcode rcode = message_rcode(message);
    return rcode == RCODE_SERVER_FAILURE || rcode == RCODE_REFUSED || rcode == RCODE_NOT_IMPLEMENTED;
}

/* What was sent back; anything that does not answer the question is dropped. */
static void take(struct forward *forward, uint8_t *message, size_t length) {
    if (!answers_query(message, length, forward->query, forward->length)) return;
    bool others = forward->attempt < ATTEMPTS_MAX && forward->attempt < forward->server_count;
    if (is_refusal(message) && others) ask_next(forward, false);
    else deliver(forward, message, length);
}

static uint8_t received[MESSAGE_MAX];

static void on_datagram(struct forward *forward) {
    ssize_t length = RETRY(recv(forward->watch.fd, received, sizeof(received), 0));
    if (length >= 0) take(forward, received, (size_t)length);
    else if (errno != EAGAIN) ask_next(forward, false); /* nobody listens there */
}

static void send_query(struct forward *forward) {
    ssize_t count = RETRY(send(forward->watch.fd, forward->stream.data, forward->stream.length, MSG_NOSIGNAL));
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) {
        ask_next(forward, false);
        return;
    }
    buffer_consume(&forward->stream, (size_t)count);
    if (forward->stream.length > 0) return;
    forward->sent = true;
    loop_watch(&forward->resolver->loop, &forward->watch, EPOLLIN);
}

static void receive_answer(struct forward *forward) {
    uint8_t *room = buffer_reserve(&forward->stream, 4096);
    ssize_t count = room ? RETRY(recv(forward->watch.fd, room, 4096, 0)) : 0;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        ask_next(forward, false);
        return;
    }
    struct buffer *stream = &forward->stream;
    stream->length += (size_t)count;
    if (stream->length < 2) return;
    size_t length = (size_t)(stream->data[0] << 8 | stream->data[1]);
    if (stream->length < 2 + length) return;
    if (!answers_query(stream->data + 2, length, forward->query, forward->length)) {
        ask_next(forward, false);
        return;
    }
    memcpy(received, stream->data + 2, length); /* the buffer goes with the forward */
    take(forward, received, length);
}

static void on_ready(struct watch *watch, uint32_t events) {
    (void)events;
    struct forward *forward = container_of(watch, struct forward, watch);
    if (!forward->requester.stream) on_datagram(forward);
    else if (!forward->sent) send_query(forward);
    else receive_answer(forward);
}

void forward_take_local(struct sandbox *sandbox, const struct sockaddr_in *from, const uint8_t *message,
                        size_t length) {
    for (struct forward *forward = sandbox->resolver->forwards; forward; forward = forward->next) {
        if (forward->requester.sandbox != sandbox || !forward->local || forward->attempt == 0) continue;
        const struct address *server = &forward->servers[(forward->attempt - 1) % forward->server_count];
        bool from_server = from->sin_port == htons(DNS_PORT) && memcmp(&from->sin_addr, server->bytes, 4) == 0;
        if (!from_server || !answers_query(message, length, forward->query, forward->length)) continue;
        memcpy(received, message, length);
        take(forward, received, length);
        return;
    }
}

/* The launcher replaces the file when the host's resolv.conf changes. */
static void refresh_host_servers(struct resolver *resolver) {
    AUTO_BUFFER content = {0};
    enum file_news news = file_read_news(HOST_FILE, &resolver->host_stamp, HOST_FILE_MAX, &content);
    if (news == FILE_SAME) return;
    resolver->host_server_count =
        news == FILE_NEW ? resolv_conf_servers((char *)content.data, content.length, resolver->host_servers) : 0;
}

/* The container's own servers, or the host's. */
static void choose_servers(struct forward *forward) {
    struct resolver *resolver = forward->resolver;
    const struct sandbox_view *view = &forward->requester.sandbox->view;
    bool own = view->server_count > 0;
    if (!own) refresh_host_servers(resolver);
    forward->server_count = own ? view->server_count : resolver->host_server_count;
    memcpy(forward->servers, own ? view->servers : resolver->host_servers, sizeof(forward->servers));
}

static bool is_full(const struct requester *requester) {
    return requester->sandbox->resolver->forward_count >= FORWARDS_MAX ||
           requester->sandbox->forward_count >= SANDBOX_FORWARDS_MAX;
}

int forward_start(const struct requester *requester, const uint8_t *query, size_t length) {
    struct resolver *resolver = requester->sandbox->resolver;
    if (is_full(requester)) return -1;
    struct forward *forward = calloc(1, sizeof(*forward));
    uint8_t *copy = malloc(length);
    if (!forward || !copy) {
        free(forward);
        free(copy);
        return -1;
    }
    memcpy(copy, query, length);
    *forward = (struct forward){.watch.fd = -1,
                                .requester = *requester,
                                .resolver = resolver,
                                .query = copy,
                                .length = length,
                                .client_id = message_id(query)};
    forward->next = resolver->forwards;
    resolver->forwards = forward;
    resolver->forward_count++;
    requester->sandbox->forward_count++;
    choose_servers(forward);
    if (forward->server_count == 0) {
        forward_free(forward);
        return -1;
    }
    resolver_tick(resolver);
    ask_next(forward, true);
    return 0;
}

void forwards_cancel(struct resolver *resolver, const struct sandbox *sandbox, const struct stream *stream) {
    for (struct forward *forward = resolver->forwards, *next; forward; forward = next) {
        next = forward->next;
        const struct requester *requester = &forward->requester;
        if (requester->sandbox == sandbox && (!stream || requester->stream == stream)) forward_free(forward);
    }
}

void forwards_expire(struct resolver *resolver, uint64_t now) {
    for (struct forward *forward = resolver->forwards, *next; forward; forward = next) {
        next = forward->next;
        if (now >= forward->deadline) ask_next(forward, true);
    }
}
