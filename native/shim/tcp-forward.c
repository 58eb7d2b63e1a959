/* Forwarded TCP connections: two sockets, each read when the other can take it, each closed half by half. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "ports.h"

#define CHUNK 65536

/* One of the two sockets. */
struct side {
    struct watch watch;
    struct buffer pending; /* waits to be sent to this side; empty while it keeps up, so idle ones hold no memory */
    bool ended;            /* this side has sent everything */
    bool shut;             /* and this side was told that the other has */
};

struct tcp_forward {
    struct side client;
    struct side container;
    bool connecting;
    struct port *port;
    struct tcp_forward *previous;
    struct tcp_forward *next;
};

static void serve_again(struct ports *ports) {
    /* A listener that ran out of descriptors was put aside. */
    ports_serve(ports);
}

static void forward_close(struct tcp_forward *forward) {
    struct ports *ports = forward->port->ports;
    if (forward->previous) forward->previous->next = forward->next;
    else ports->forwards = forward->next;
    if (forward->next) forward->next->previous = forward->previous;
    loop_close(ports->loop, &forward->client.watch);
    loop_close(ports->loop, &forward->container.watch);
    buffer_free(&forward->client.pending);
    buffer_free(&forward->container.pending);
    free(forward);
}

static void watch_side(struct tcp_forward *forward, struct side *side, const struct side *other) {
    uint32_t events = 0;
    if (!side->ended && other->pending.length == 0 && !forward->connecting) events |= EPOLLIN;
    if (side->pending.length > 0 || (forward->connecting && side == &forward->container)) events |= EPOLLOUT;
    loop_watch(forward->port->ports->loop, &side->watch, events);
}

/* False when the side is broken. */
static bool send_pending(struct side *side) {
    if (side->pending.length == 0) return true;
    ssize_t count = RETRY(send(side->watch.fd, side->pending.data, side->pending.length, MSG_NOSIGNAL));
    if (count < 0) return errno == EAGAIN;
    buffer_consume(&side->pending, (size_t)count);
    return true;
}

/* Reads from one side and sends to the other; what that does not take waits. False when one is broken. */
static bool pass(struct side *from, struct side *to) {
    static uint8_t chunk[CHUNK];
    ssize_t count = RETRY(recv(from->watch.fd, chunk, sizeof(chunk), 0));
    if (count < 0) return errno == EAGAIN;
    if (count == 0) {
        from->ended = true;
        return true;
    }
    ssize_t sent = RETRY(send(to->watch.fd, chunk, (size_t)count, MSG_NOSIGNAL));
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) sent = 0;
    return buffer_append(&to->pending, chunk + sent, (size_t)(count - sent)) == 0;
}

static void shut_after(const struct side *from, struct side *to) {
    if (!from->ended || to->shut || to->pending.length > 0) return;
    to->shut = true;
    shutdown(to->watch.fd, SHUT_WR);
}

static void step(struct tcp_forward *forward, struct side *side, struct side *other, uint32_t events) {
    struct ports *ports = forward->port->ports;
    bool works = send_pending(side);
    if (works && !side->ended && other->pending.length == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
        works = pass(side, other);
    }
    shut_after(&forward->client, &forward->container);
    shut_after(&forward->container, &forward->client);
    if (!works || (forward->client.shut && forward->container.shut)) {
        forward_close(forward);
        serve_again(ports);
        return;
    }
    watch_side(forward, &forward->client, &forward->container);
    watch_side(forward, &forward->container, &forward->client);
}

static void report_refusal(const struct port *port) {
    if (port->ports->refused) port->ports->refused(port);
}

static void finish_connect(struct tcp_forward *forward) {
    int error = 0;
    socklen_t length = sizeof(error);
    const struct port *port = forward->port;
    getsockopt(forward->container.watch.fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        forward_close(forward);
        serve_again(port->ports);
        if (error == ECONNREFUSED) report_refusal(port);
        return;
    }
    forward->connecting = false;
    watch_side(forward, &forward->container, &forward->client);
    watch_side(forward, &forward->client, &forward->container);
}

static void on_client(struct watch *watch, uint32_t events) {
    struct tcp_forward *forward = container_of(watch, struct tcp_forward, client.watch);
    step(forward, &forward->client, &forward->container, events);
}

static void on_container(struct watch *watch, uint32_t events) {
    struct tcp_forward *forward = container_of(watch, struct tcp_forward, container.watch);
    if (forward->connecting) finish_connect(forward);
    else step(forward, &forward->container, &forward->client, events);
}

static int connect_to(const struct port *port) {
    AUTO_CLOSE fd = socket(port->target.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&port->target, port->target_length) < 0 && errno != EINPROGRESS) {
        /* An address of this host refuses at once. */
        if (errno == ECONNREFUSED) report_refusal(port);
        return -1;
    }
    return take_fd(&fd);
}

void tcp_accept(struct port *port) {
    struct ports *ports = port->ports;
    AUTO_CLOSE client = accept4(port->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        /* Without descriptors the connection waits until a forward ends. */
        if ((errno == EMFILE || errno == ENFILE) && ports->forwards) loop_watch(ports->loop, &port->watch, 0);
        return;
    }
    AUTO_CLOSE container = connect_to(port);
    struct tcp_forward *forward = container < 0 ? NULL : calloc(1, sizeof(*forward));
    if (!forward) return;
    *forward = (struct tcp_forward){.client.watch = {.fd = take_fd(&client), .ready = on_client},
                                    .container.watch = {.fd = take_fd(&container), .ready = on_container},
                                    .connecting = true,
                                    .port = port,
                                    .next = ports->forwards};
    if (ports->forwards) ports->forwards->previous = forward;
    ports->forwards = forward;
    watch_side(forward, &forward->container, &forward->client);
}

void tcp_close_all(struct ports *ports) {
    while (ports->forwards) forward_close(ports->forwards);
}
