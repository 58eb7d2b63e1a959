#include "name-server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"

#define DNS_PORT 53
#define PIECE 4096

/* Every question is answered once, with nothing if need be (names.h), so one of the places is free. */
static void ask(struct name_server *server, const struct name_question *question, const uint8_t *message,
                size_t length) {
    uint16_t id = 0;
    while (id + 1 < NAME_SERVER_QUESTIONS && (server->questions[id].port || server->questions[id].connection)) id++;
    server->questions[id] = *question;
    names_ask(&server->names, id, question->connection != 0, message, length);
}

/* ---- by UDP ---- */

static void on_datagram(struct watch *watch, uint32_t events) {
    (void)events;
    static uint8_t message[UINT16_MAX];
    struct name_port *port = container_of(watch, struct name_port, datagrams);
    struct name_question question = {.port = port};
    socklen_t size = sizeof(question.from);
    ssize_t length = RETRY(recvfrom(watch->fd, message, sizeof(message), 0, (struct sockaddr *)&question.from, &size));
    if (length <= 0 || size != sizeof(question.from)) return;
    ask(port->server, &question, message, (size_t)length);
}

/* ---- by TCP ---- */

static void end_connection(struct name_connection *connection) {
    loop_close(connection->server->loop, &connection->watch);
    buffer_free(&connection->in);
    buffer_free(&connection->out);
    connection->number = 0;
    connection->asked = false;
}

/* The next question, if it is there whole. */
static void ask_next(struct name_connection *connection) {
    const struct buffer *in = &connection->in;
    if (connection->asked || in->length < 2) return;
    size_t length = (size_t)in->data[0] << 8 | in->data[1];
    if (in->length < 2 + length) return;
    const struct name_question question = {.connection = connection->number};
    AUTO_BUFFER message = {0};
    if (buffer_append(&message, in->data + 2, length) < 0) {
        end_connection(connection);
        return;
    }
    buffer_consume(&connection->in, 2 + length);
    connection->asked = true;
    ask(connection->server, &question, message.data, length);
}

static void go_on(struct name_connection *connection) {
    uint32_t events = connection->out.length > 0 ? EPOLLOUT : connection->asked ? 0 : EPOLLIN;
    if (connection->watch.fd >= 0) loop_watch(connection->server->loop, &connection->watch, events);
}

static void send_more(struct name_connection *connection) {
    ssize_t count = RETRY(send(connection->watch.fd, connection->out.data, connection->out.length, MSG_NOSIGNAL));
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) {
        end_connection(connection);
        return;
    }
    buffer_consume(&connection->out, (size_t)count);
    if (connection->out.length == 0) ask_next(connection);
}

static void receive_more(struct name_connection *connection) {
    uint8_t *room = buffer_reserve(&connection->in, PIECE);
    ssize_t count = room ? RETRY(recv(connection->watch.fd, room, PIECE, 0)) : 0;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        end_connection(connection);
        return;
    }
    connection->in.length += (size_t)count;
    ask_next(connection);
}

static void on_connection_ready(struct watch *watch, uint32_t events) {
    (void)events;
    struct name_connection *connection = container_of(watch, struct name_connection, watch);
    if (connection->out.length > 0) send_more(connection);
    else receive_more(connection);
    go_on(connection);
}

static struct name_connection *find_connection(struct name_server *server, uint64_t number) {
    for (size_t index = 0; index < NAME_SERVER_CONNECTIONS; index++) {
        if (server->connections[index].number == number) return &server->connections[index];
    }
    return NULL;
}

void name_server_connect(struct name_server *server, int fd) {
    uint64_t number = ++server->last_connection;
    struct name_connection *connection = &server->connections[number % NAME_SERVER_CONNECTIONS];
    if (connection->watch.fd >= 0) end_connection(connection);
    *connection = (struct name_connection){
        .server = server, .watch = {.fd = fd, .ready = on_connection_ready}, .number = number};
    if (loop_watch(server->loop, &connection->watch, EPOLLIN) < 0) end_connection(connection);
}

static void on_connection(struct watch *watch, uint32_t events) {
    (void)events;
    struct name_port *port = container_of(watch, struct name_port, listening);
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) name_server_connect(port->server, fd);
}

/* ---- answers ---- */

/* Who answers nothing to a stream has ended it (RFC 7766, 6.2.4). */
static void answer_stream(struct name_connection *connection, const uint8_t *message, size_t length) {
    const uint8_t head[] = {(uint8_t)(length >> 8), (uint8_t)length};
    connection->asked = false;
    if (length == 0 || length > UINT16_MAX || buffer_append(&connection->out, head, sizeof(head)) < 0 ||
        buffer_append(&connection->out, message, length) < 0) {
        end_connection(connection);
    }
    go_on(connection);
}

/* A datagram that nobody answers is asked again. */
static void on_answer(struct names *names, uint16_t id, const uint8_t *message, size_t length) {
    struct name_server *server = container_of(names, struct name_server, names);
    struct name_question question = server->questions[id];
    server->questions[id] = (struct name_question){0};
    struct name_connection *connection = question.connection ? find_connection(server, question.connection) : NULL;
    if (connection) answer_stream(connection, message, length);
    if (!question.port || length == 0) return;
    sendto(question.port->datagrams.fd, message, length, MSG_NOSIGNAL, (const struct sockaddr *)&question.from,
           sizeof(question.from));
}

/* ---- both ---- */

void name_server_open(struct name_server *server, struct loop *loop) {
    *server = (struct name_server){.loop = loop};
    for (size_t index = 0; index < NAME_SERVER_CONNECTIONS; index++) {
        server->connections[index] = (struct name_connection){.server = server, .watch = {.fd = -1}};
    }
    names_open(&server->names, loop, on_answer);
}

int name_server_listen(struct name_server *server, struct name_port *port, const struct lease_link *link,
                       struct failure *why) {
    struct in_addr address = link->lease->server;
    port->server = server;
    port->datagrams =
        (struct watch){.fd = lease_link_socket(link, SOCK_DGRAM, address, DNS_PORT), .ready = on_datagram};
    port->listening =
        (struct watch){.fd = lease_link_socket(link, SOCK_STREAM, address, DNS_PORT), .ready = on_connection};
    if (port->datagrams.fd >= 0 && port->listening.fd >= 0 && listen(port->listening.fd, 16) == 0 &&
        loop_watch(server->loop, &port->datagrams, EPOLLIN) == 0 &&
        loop_watch(server->loop, &port->listening, EPOLLIN) == 0) {
        return 0;
    }
    return fail_errno(why, "nobody can answer questions about names from the card of %s", link->lease->interface);
}

void name_server_close(struct name_server *server) {
    for (size_t index = 0; index < NAME_SERVER_CONNECTIONS; index++) end_connection(&server->connections[index]);
    names_close(&server->names);
}
