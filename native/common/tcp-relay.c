#include "tcp-relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"

#define CHUNK 16384

/* The length of the socket address, 0 when the text is no address. */
static socklen_t parse_address(const char *text, uint16_t port, struct sockaddr_storage *address) {
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons(port);
        return sizeof(*ipv4);
    }
    if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1) {
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons(port);
        return sizeof(*ipv6);
    }
    return 0;
}

static int connect_to(const char *text, uint16_t port, struct failure *why) {
    struct sockaddr_storage address;
    socklen_t length = parse_address(text, port, &address);
    if (length == 0) return fail(why, FAILURE_INVALID, "%s is no address", text);
    AUTO_CLOSE fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || RETRY(connect(fd, (const struct sockaddr *)&address, length)) < 0) {
        return fail_errno(why, "connect to %s port %u", text, port);
    }
    return take_fd(&fd);
}

int connect_first(const char *const *addresses, uint16_t port, struct failure *why) {
    struct failure of_this;
    for (const char *const *address = addresses; *address; address++) {
        int fd = connect_to(*address, port, &of_this);
        if (fd >= 0) return fd;
        if (address == addresses) *why = of_this; /* why the first one failed tells most */
    }
    return -1;
}

/* Passes on one chunk; 0 at the end, which the other side is not told yet. */
static ssize_t pass(int from, int to) {
    static char chunk[CHUNK];
    ssize_t count = RETRY(read(from, chunk, sizeof(chunk)));
    if (count <= 0) return count;
    return write_all(to, chunk, (size_t)count) < 0 ? -1 : count;
}

int relay(int input, int socket, int output, struct failure *why) {
    struct pollfd watched[] = {{.fd = input, .events = POLLIN}, {.fd = socket, .events = POLLIN}};
    for (;;) {
        if (RETRY(poll(watched, 2, -1)) < 0) return fail_errno(why, "poll");
        if (watched[0].revents) {
            /* A peer that takes no more may still have something to say. */
            if (pass(input, socket) <= 0) {
                shutdown(socket, SHUT_WR);
                watched[0].fd = -1;
            }
        }
        if (watched[1].revents) {
            ssize_t count = pass(socket, output);
            if (count < 0) return fail_errno(why, "the connection");
            if (count == 0) return 0;
        }
    }
}
