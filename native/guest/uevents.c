#include "uevents.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"

#define KERNEL_GROUP 1
#define RECEIVE_ROOM (1024 * 1024)

int uevents_open(void) {
    AUTO_CLOSE uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (uevents < 0) return -1;
    int room = RECEIVE_ROOM;
    setsockopt(uevents, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
    if (bind(uevents, (struct sockaddr *)&address, sizeof(address)) < 0) return -1;
    return take_fd(&uevents);
}

/* What is said does not matter, only that something was; too much at once (ENOBUFS) is news, too. */
static void read_all(int uevents) {
    char message[8192];
    while (recv(uevents, message, sizeof(message), 0) > 0 || errno == ENOBUFS) continue;
}

bool uevents_await(int uevents, bool (*is_there)(void *context), void *context, int milliseconds) {
    uint64_t end = monotonic_milliseconds() + (uint64_t)milliseconds;
    while (!is_there(context)) {
        uint64_t at = monotonic_milliseconds();
        if (at >= end) return false;
        struct pollfd waiting = {.fd = uevents, .events = POLLIN};
        if (RETRY(poll(&waiting, 1, (int)(end - at))) < 0) return false;
        read_all(uevents);
    }
    return true;
}
