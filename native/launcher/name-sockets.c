#include "name-sockets.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "redirect.h"

#define RESOLVER_ADDRESS 0x7f00000b /* 127.0.0.11 */
#define DNS_PORT 53
#define BACKLOG 64

static int bound_socket(int type, uint16_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(RESOLVER_ADDRESS), .sin_port = htons(port)};
    AUTO_CLOSE fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) return -1;
    if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0) return -1;
    return take_fd(&fd);
}

static uint16_t port_of(int fd) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof(address);
    return getsockname(fd, (struct sockaddr *)&address, &length) < 0 ? 0 : ntohs(address.sin_port);
}

int name_sockets_open(int sockets[RESOLVER_SOCKETS], struct failure *why) {
    AUTO_CLOSE udp = bound_socket(SOCK_DGRAM, 0);
    if (udp < 0) return fail_errno(why, "no socket for names");
    uint16_t port = port_of(udp);
    AUTO_CLOSE tcp = bound_socket(SOCK_STREAM, port);
    if (tcp < 0) return fail_errno(why, "no socket for names");
    if (redirect_port(RESOLVER_ADDRESS, DNS_PORT, port, why) < 0) return -1;
    sockets[0] = take_fd(&udp);
    sockets[1] = take_fd(&tcp);
    return 0;
}
