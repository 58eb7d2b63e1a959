/*
 * Forwarded UDP: each client of a port has a connected socket to the container, so that answers find their way back.
 * UDP has no end, so the table is bounded and the client that was silent longest makes room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "ports.h"

#define CLIENTS_MAX 128
#define DATAGRAM_MAX 65536

struct udp_client {
    struct watch watch; /* the socket to the container */
    struct port *port;
    struct sockaddr_storage address;
    socklen_t length;
    struct udp_client *next; /* the most recently heard first */
};

static uint8_t datagram[DATAGRAM_MAX];

/* Takes the client out of the list. */
static struct udp_client *take(struct udp_client **link) {
    struct udp_client *client = *link;
    *link = client->next;
    return client;
}

static void client_close(struct udp_client *client) {
    client->port->udp_client_count--;
    loop_close(client->port->ports->loop, &client->watch);
    free(client);
}

static void make_room(struct port *port) {
    if (port->udp_client_count < CLIENTS_MAX) return;
    struct udp_client **link = &port->udp_clients;
    while ((*link)->next) link = &(*link)->next;
    client_close(take(link));
}

static void on_answer(struct watch *watch, uint32_t events) {
    (void)events;
    struct udp_client *client = container_of(watch, struct udp_client, watch);
    struct port *port = client->port;
    ssize_t count = RETRY(recv(watch->fd, datagram, sizeof(datagram), 0));
    if (count >= 0) {
        sendto(port->watch.fd, datagram, (size_t)count, 0, (struct sockaddr *)&client->address, client->length);
    } else if (errno == ECONNREFUSED && port->ports->refused) {
        port->ports->refused(port);
    }
}

static struct udp_client *client_new(struct port *port, const struct sockaddr_storage *address, socklen_t length) {
    struct udp_client *client = calloc(1, sizeof(*client));
    if (!client) return NULL;
    *client = (struct udp_client){.watch = {.fd = -1, .ready = on_answer}, .port = port, .length = length};
    memcpy(&client->address, address, length);
    client->watch.fd = socket(port->target.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    port->udp_client_count++;
    if (client->watch.fd < 0 ||
        connect(client->watch.fd, (struct sockaddr *)&port->target, port->target_length) < 0 ||
        loop_watch(port->ports->loop, &client->watch, EPOLLIN) < 0) {
        client_close(client);
        return NULL;
    }
    return client;
}

/* The client with this address, now first in the list. */
static struct udp_client *client_of(struct port *port, const struct sockaddr_storage *address, socklen_t length) {
    struct udp_client *client = NULL;
    for (struct udp_client **link = &port->udp_clients; *link && !client; link = &(*link)->next) {
        if ((*link)->length == length && memcmp(&(*link)->address, address, length) == 0) client = take(link);
        if (client) break;
    }
    if (!client) {
        make_room(port);
        client = client_new(port, address, length);
    }
    if (!client) return NULL;
    client->next = port->udp_clients;
    port->udp_clients = client;
    return client;
}

void udp_receive(struct port *port) {
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    memset(&address, 0, sizeof(address));
    ssize_t count = RETRY(recvfrom(port->watch.fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&address, &length));
    if (count < 0) return;
    struct udp_client *client = client_of(port, &address, length);
    if (client) send(client->watch.fd, datagram, (size_t)count, 0);
}

void udp_close_all(struct port *port) {
    while (port->udp_clients) client_close(take(&port->udp_clients));
}
