/*
 * Programs that send noise as questions, and a host that sends noise as answers, in any order: questions are bounded and go
 * to the host as they are, and an answer goes to nobody but who waits for it.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/guest-protocol.h"
#include "common/io.h"
#include "guest/names.h"
#include "vm/tests/turn.h"

#define CLIENTS 4
/* Of one input: more of them are other inputs. */
#define ACTS_MAX 12

struct stand {
    struct loop loop;
    struct port port;
    struct names *names;
    int host;       /* the other end of the port */
    int datagrams;  /* a program's */
    struct sockaddr_un address; /* of the listener */
    socklen_t address_size;
    int clients[CLIENTS];
};

static void on_frame(struct port *port, const struct frame *frame) {
    (void)port;
    (void)frame;
}

static void on_broken(struct port *port) {
    (void)port;
}

/* With an address that the kernel chooses (unix(7), autobind). */
static int listen_anywhere(struct stand *stand) {
    struct sockaddr_un nowhere = {.sun_family = AF_UNIX};
    AUTO_CLOSE listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&nowhere, sizeof(nowhere.sun_family)) < 0) return -1;
    if (listen(listener, CLIENTS) < 0) return -1;
    stand->address_size = sizeof(stand->address);
    if (getsockname(listener, (struct sockaddr *)&stand->address, &stand->address_size) < 0) return -1;
    return take_fd(&listener);
}

static bool open_stand(struct stand *stand) {
    int port[2];
    int datagrams[2];
    struct failure why;
    *stand = (struct stand){.port = {.frame = on_frame, .broken = on_broken}};
    for (size_t index = 0; index < CLIENTS; index++) stand->clients[index] = -1;
    if (loop_open(&stand->loop) < 0) return false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, port) < 0) return false;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, datagrams) < 0) return false;
    stand->host = port[0];
    stand->datagrams = datagrams[0];
    if (port_open(&stand->port, &stand->loop, port[1]) < 0) return false;
    stand->names = names_serve(&stand->loop, &stand->port, datagrams[1], listen_anywhere(stand), &why);
    return stand->names != NULL;
}

static void close_stand(struct stand *stand) {
    if (stand->names) names_close(stand->names);
    port_close(&stand->port);
    close(stand->host);
    close(stand->datagrams);
    for (size_t index = 0; index < CLIENTS; index++) close_fd(&stand->clients[index]);
    close(stand->loop.epoll);
}

static void send_by_stream(struct stand *stand, size_t index, const uint8_t *data, size_t length) {
    int *client = &stand->clients[index % CLIENTS];
    if (*client < 0) {
        *client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(*client, (const struct sockaddr *)&stand->address, stand->address_size) < 0) close_fd(client);
    }
    if (*client >= 0 && send(*client, data, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) close_fd(client);
}

/* So that neither the host nor a client is ever the one that does not read. */
static void read_all(struct stand *stand) {
    uint8_t sink[65536];
    while (recv(stand->host, sink, sizeof(sink), MSG_DONTWAIT) > 0) continue;
    for (size_t index = 0; index < CLIENTS; index++) {
        while (stand->clients[index] >= 0 && recv(stand->clients[index], sink, sizeof(sink), MSG_DONTWAIT) > 0) continue;
    }
    while (recv(stand->datagrams, sink, sizeof(sink), MSG_DONTWAIT) >= 0) continue;
}

/* An act: what, for whom, how long, and so many bytes. */
static size_t act(struct stand *stand, const uint8_t *data, size_t size) {
    size_t length = data[2] < size - 3 ? data[2] : size - 3;
    const uint8_t *bytes = data + 3;
    switch (data[0] % 6) {
        case 0: (void)!send(stand->datagrams, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT); break;
        case 1:
        case 2: send_by_stream(stand, data[1], bytes, length); break;
        case 3: names_answer(stand->names, data[1], bytes, length); break;
        case 4: names_answer(stand->names, (uint16_t)(0x8000u + data[1]), bytes, length); break;
        default: close_fd(&stand->clients[data[1] % CLIENTS]); break;
    }
    turn(&stand->loop);
    read_all(stand);
    return 3 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stand stand;
    if (size > 65536) return 0;
    if (open_stand(&stand)) {
        for (int acts = 0; acts < ACTS_MAX && size > 3; acts++) {
            size_t used = act(&stand, data, size);
            data += used;
            size -= used;
        }
    }
    close_stand(&stand);
    return 0;
}
