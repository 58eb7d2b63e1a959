#include "ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/io.h"

static int parse_address(const char *text, uint16_t port, struct sockaddr_storage *address, socklen_t *length,
                         struct failure *why) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *length = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *length = sizeof(*v6);
        return 0;
    }
    return fail(why, FAILURE_INVALID, "%s is no IP address", text);
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) return 0;
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static void on_ready(struct watch *watch, uint32_t events) {
    (void)events;
    struct port *port = container_of(watch, struct port, watch);
    if (port->plan.protocol == PORT_UDP) udp_receive(port);
    else tcp_accept(port);
}

/* Where the kernel has no SCTP, none of its sockets can take the port, and an abstract name (unix(7)) keeps other containers off. */
static int bind_name(const struct port_plan *plan, uint16_t number, struct failure *why) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "berth/sctp/%s/%u", plan->host_ip, number);
    AUTO_CLOSE fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail_errno(why, "no socket for %s", plan->host_ip);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    if (bind(fd, (const struct sockaddr *)&name, size) < 0) return fail_errno(why, "bind");
    return take_fd(&fd);
}

/* Held and nothing more: all clients are translated in the kernel. */
static int bind_sctp(const struct port_plan *plan, uint16_t number, struct failure *why) {
    struct sockaddr_storage address;
    socklen_t length;
    if (parse_address(plan->host_ip, number, &address, &length, why) < 0) return -1;
    AUTO_CLOSE fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
    if (fd < 0) return bind_name(plan, number, why);
    const int on = 1;
    if (address.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, length) < 0) return fail_errno(why, "bind");
    return take_fd(&fd);
}

static int bind_at(const struct port_plan *plan, uint16_t number, struct failure *why) {
    if (plan->protocol == PORT_SCTP) return bind_sctp(plan, number, why);
    bool udp = plan->protocol == PORT_UDP;
    struct sockaddr_storage address;
    socklen_t length;
    if (parse_address(plan->host_ip, number, &address, &length, why) < 0) return -1;
    int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    AUTO_CLOSE fd = socket(address.ss_family, type, 0);
    if (fd < 0) return fail_errno(why, "no socket for %s", plan->host_ip);
    const int on = 1;
    /* IPv4 has a plan of its own. For TCP, connections of an earlier container may still be in TIME_WAIT. */
    if (address.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (!udp) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, length) < 0) return fail_errno(why, "bind");
    if (!udp && listen(fd, 1024) < 0) return fail_errno(why, "listen");
    return take_fd(&fd);
}

/* A choice of ports: the kernel's, or the first free one of a range. */
static bool is_open(const struct port_plan *plan) {
    return plan->host_port == 0 || plan->host_port_last > plan->host_port;
}

static bool is_ipv6(const struct port_plan *plan) {
    return strchr(plan->host_ip, ':') != NULL;
}

/* A container port that is published on IPv4 and IPv6 with a port to be chosen gets the same on both. */
static uint16_t twin_port(const struct ports *ports, const struct port_plan *plan) {
    for (size_t index = ports->count; index > 0; index--) {
        const struct port *other = ports->items[index - 1];
        if (other->watch.fd >= 0 && other->plan.protocol == plan->protocol &&
            other->plan.container_port == plan->container_port && other->plan.host_port == plan->host_port &&
            is_ipv6(&other->plan) != is_ipv6(plan)) {
            return other->bound;
        }
    }
    return 0;
}

/* A port that is chosen for every IPv4 address is one that its twin can have. Where there is no IPv6, it has none. */
static bool is_free_for_twin(const struct port_plan *plan, uint16_t number) {
    if (strcmp(plan->host_ip, "0.0.0.0") != 0) return true;
    char everywhere[] = "::";
    const struct port_plan twin = {.protocol = plan->protocol, .host_ip = everywhere};
    struct failure ignored;
    errno = 0;
    AUTO_CLOSE fd = bind_at(&twin, number, &ignored);
    return fd >= 0 || errno != EADDRINUSE;
}

/* One port of a range. */
static int bind_for_both(const struct port_plan *plan, uint16_t number, uint16_t *bound, struct failure *why) {
    AUTO_CLOSE fd = bind_at(plan, number, why);
    *bound = number;
    if (fd < 0 || is_free_for_twin(plan, number)) return take_fd(&fd);
    errno = EADDRINUSE;
    return fail_errno(why, "bind");
}

#define CHOICES_MAX 64

/* What the kernel chose in vain is held until it has chosen better, as it would choose it again. */
static int bind_any(const struct port_plan *plan, unsigned choices, uint16_t *bound, struct failure *why) {
    AUTO_CLOSE fd = bind_at(plan, 0, why);
    if (fd < 0) return -1;
    *bound = port_of(fd);
    if (is_free_for_twin(plan, *bound)) return take_fd(&fd);
    if (choices > 1) return bind_any(plan, choices - 1, bound, why);
    errno = EADDRINUSE;
    return fail_errno(why, "bind");
}

/* Dynamic ports (RFC 6335, 6): those of SCTP are chosen here, as a kernel without it cannot. */
#define DYNAMIC_FIRST 49152

static int bind_first(const struct port_plan *plan, uint16_t *bound, struct failure *why) {
    uint32_t first = plan->host_port ? plan->host_port : DYNAMIC_FIRST;
    uint32_t last = plan->host_port ? plan->host_port_last : UINT16_MAX;
    int fd = -1;
    for (uint32_t port = first; fd < 0 && port <= last; port++) {
        errno = 0;
        fd = bind_for_both(plan, (uint16_t)port, bound, why);
        if (fd < 0 && errno != EADDRINUSE) break;
    }
    return fd;
}

static int bind_port(const struct ports *ports, const struct port_plan *plan, uint16_t *bound, struct failure *why) {
    *bound = is_open(plan) ? twin_port(ports, plan) : plan->host_port;
    int fd = *bound ? bind_at(plan, *bound, why) : -1;
    if (fd >= 0 || !is_open(plan)) return fd;
    bool is_kernels_choice = plan->host_port == 0 && plan->protocol != PORT_SCTP;
    return is_kernels_choice ? bind_any(plan, CHOICES_MAX, bound, why) : bind_first(plan, bound, why);
}

static int explain(const struct port_plan *plan, struct failure *why) {
    const char *format = is_ipv6(plan) ? "[%s]:%u/%s" : "%s:%u/%s";
    char name[96];
    snprintf(name, sizeof(name), format, plan->host_ip, plan->host_port, protocol_name(plan->protocol));
    if (errno == EADDRINUSE && plan->host_port == 0) {
        return fail(why, FAILURE_CONFLICT, "no free port was found at %s for %s", plan->host_ip, protocol_name(plan->protocol));
    }
    if (errno == EADDRINUSE && is_open(plan)) {
        return fail(why, FAILURE_CONFLICT, "every port from %s to %u is already in use", name, plan->host_port_last);
    }
    switch (errno) {
        case EADDRINUSE: return fail(why, FAILURE_CONFLICT, "the port %s is already in use", name);
        case EADDRNOTAVAIL: return fail(why, FAILURE_INVALID, "the port %s cannot be bound: the host has no such address", name);
        case EACCES: return fail(why, FAILURE_INVALID, "the port %s cannot be bound: permission denied", name);
        default: return fail_errno(why, "the port %s cannot be bound", name);
    }
}

static int bind_new(struct ports *ports, struct port *port, struct failure *why) {
    const struct port_plan *plan = &port->plan;
    if (parse_address(plan->container_ip, plan->container_port, &port->target, &port->target_length, why) < 0) return -1;
    errno = 0;
    port->watch.fd = bind_port(ports, plan, &port->bound, why);
    if (port->watch.fd < 0) return errno ? explain(plan, why) : -1;
    return 0;
}

static void port_release(struct port *port) {
    port_free(&port->plan);
    free(port);
}

/* Those whose last connections are over. */
static void forget_withdrawn(struct ports *ports) {
    size_t kept = 0;
    if (ports->forwards) return;
    for (size_t index = 0; index < ports->count; index++) {
        struct port *port = ports->items[index];
        if (port->watch.fd >= 0) ports->items[kept++] = port;
        else port_release(port);
    }
    ports->count = kept;
}

struct port *ports_add(struct ports *ports, struct port_plan *plan, struct failure *why) {
    forget_withdrawn(ports);
    struct port *port = calloc(1, sizeof(*port));
    struct port **items = port ? realloc(ports->items, (ports->count + 1) * sizeof(struct port *)) : NULL;
    if (!items) {
        free(port);
        port_free(plan);
        fail_errno(why, "the ports");
        return NULL;
    }
    ports->items = items;
    *port = (struct port){.watch = {.fd = -1, .ready = on_ready}, .ports = ports, .plan = *plan};
    *plan = (struct port_plan){0};
    if (bind_new(ports, port, why) < 0) {
        port_release(port);
        return NULL;
    }
    items[ports->count++] = port;
    return port;
}

int ports_bind(struct ports *ports, struct loop *loop, struct plan *plan, size_t *taken, struct failure *why) {
    ports->loop = loop;
    for (size_t index = 0; index < plan->port_count; index++) {
        if (ports_add(ports, &plan->ports[index], why)) continue;
        *taken = index;
        return -1;
    }
    return 0;
}

static bool is_same(const struct port *port, const struct port_plan *plan) {
    return port->watch.fd >= 0 && port->bound == plan->host_port && port->plan.protocol == plan->protocol &&
           strcmp(port->plan.host_ip, plan->host_ip) == 0;
}

void ports_withdraw(struct ports *ports, const struct port_plan *plan) {
    for (size_t index = 0; index < ports->count; index++) {
        struct port *port = ports->items[index];
        if (!is_same(port, plan)) continue;
        udp_close_all(port); /* they answer through the socket that goes */
        loop_close(ports->loop, &port->watch);
    }
}

void ports_serve(struct ports *ports) {
    for (size_t index = 0; index < ports->count; index++) {
        struct port *port = ports->items[index];
        if (port->watch.fd >= 0 && port->plan.protocol != PORT_SCTP) loop_watch(ports->loop, &port->watch, EPOLLIN);
    }
}

void port_report(const struct port *port, struct buffer *out) {
    port_encode(out, &port->plan, port->bound);
}

void ports_encode(const struct ports *ports, struct buffer *out) {
    for (size_t index = 0; index < ports->count; index++) {
        if (ports->items[index]->watch.fd >= 0) port_report(ports->items[index], out);
    }
}

void ports_close(struct ports *ports) {
    tcp_close_all(ports);
    for (size_t index = 0; index < ports->count; index++) {
        struct port *port = ports->items[index];
        udp_close_all(port);
        loop_close(ports->loop, &port->watch);
    }
}

void ports_free(struct ports *ports) {
    for (size_t index = 0; index < ports->count; index++) port_release(ports->items[index]);
    free(ports->items);
    ports->items = NULL;
    ports->count = 0;
}
