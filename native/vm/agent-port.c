#include "agent-port.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/io.h"

/* An end that is there for writing says that it can be written to, which is at once: so a waiter's turn comes by the loop. */
static void watch_port(struct agent_port *port) {
    uint32_t events = port->is_awaited ? EPOLLIN | EPOLLOUT : EPOLLIN;
    loop_watch(port->loop, &port->port, port->is_taken ? 0 : events);
}

static void discard(struct agent_port *port) {
    uint8_t nobody[4096];
    ssize_t count = RETRY(read(port->port.fd, nobody, sizeof(nobody)));
    if (count > 0 || (count < 0 && errno == EAGAIN)) return;
    loop_close(port->loop, &port->port); /* QEMU ends */
}

static void on_ready(struct watch *watch, uint32_t events) {
    struct agent_port *port = container_of(watch, struct agent_port, port);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        discard(port);
        return;
    }
    port->is_awaited = false;
    port->free(port);
    watch_port(port);
}

static void give_back(struct agent_port *port) {
    pump_close(&port->to_guest);
    pump_close(&port->from_guest);
    port->is_taken = false;
    watch_port(port);
}

static void on_client_ended(struct pump *pump) {
    give_back(container_of(pump, struct agent_port, to_guest));
}

static void on_guest_ended(struct pump *pump) {
    give_back(container_of(pump, struct agent_port, from_guest));
}

static const struct pump_events TO_GUEST = {.ended = on_client_ended, .refused = on_client_ended};
static const struct pump_events FROM_GUEST = {.ended = on_guest_ended, .refused = on_guest_ended};

int agent_port_open(struct agent_port *port, struct loop *loop, int fd, void (*free)(struct agent_port *port)) {
    *port = (struct agent_port){.loop = loop, .port = {.fd = fd, .ready = on_ready}, .free = free};
    return set_nonblocking(fd) < 0 ? -1 : loop_watch(loop, &port->port, EPOLLIN);
}

void agent_port_await(struct agent_port *port) {
    port->is_awaited = true;
    watch_port(port);
}

static int copy(int fd) {
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

bool agent_port_take(struct agent_port *port, int client) {
    AUTO_CLOSE reader = client;
    AUTO_CLOSE writer = copy(client);
    AUTO_CLOSE to = copy(port->port.fd);
    AUTO_CLOSE from = copy(port->port.fd);
    if (writer < 0 || to < 0 || from < 0) return false;
    port->is_taken = true;
    loop_watch(port->loop, &port->port, 0);
    pump_open(&port->to_guest, port->loop, take_fd(&reader), take_fd(&to), &TO_GUEST);
    pump_open(&port->from_guest, port->loop, take_fd(&from), take_fd(&writer), &FROM_GUEST);
    return true;
}

void agent_port_close(struct agent_port *port) {
    if (!port->loop) return;
    pump_close(&port->to_guest);
    pump_close(&port->from_guest);
    loop_close(port->loop, &port->port);
    port->loop = NULL;
}
