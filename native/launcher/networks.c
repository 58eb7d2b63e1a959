#include "networks.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/io.h"
#include "name-sockets.h"

static int open_current(void) {
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int raise_loopback(void) {
    AUTO_CLOSE control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) return -1;
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    return ioctl(control, SIOCSIFFLAGS, &request);
}

/* In the new namespace. */
static int furnish(struct network *network, struct failure *why) {
    struct stat status;
    AUTO_CLOSE made = open_current();
    if (made < 0 || fstat(made, &status) < 0 || raise_loopback() < 0) return fail_errno(why, "the new network namespace");
    if (name_sockets_open(network->sockets, why) < 0) return -1;
    network->inode = status.st_ino;
    network->namespace = take_fd(&made);
    return 0;
}

/* One thread, so the launcher itself can step into the new namespace and back: cheaper than a fork. */
static int create(int own, struct network *network, struct failure *why) {
    if (unshare(CLONE_NEWNET) < 0) return fail_errno(why, "no new network namespace");
    int result = furnish(network, why);
    if (setns(own, CLONE_NEWNET) < 0) {
        log_line("the launcher cannot return to its network namespace: %s", strerror(errno));
        abort(); /* everything it does from here on would be wrong */
    }
    return result;
}

int networks_open(struct networks *networks, struct failure *why) {
    *networks = (struct networks){.own = open_current()};
    return networks->own < 0 ? fail_errno(why, "the network namespace") : 0;
}

int networks_create(struct networks *networks, const void *owner, struct failure *why) {
    struct network *held = realloc(networks->held, (networks->count + 1) * sizeof(*held));
    if (!held) return fail_errno(why, "a network namespace");
    networks->held = held;
    struct network made = {.namespace = -1, .sockets = {-1, -1}, .owner = owner};
    if (create(networks->own, &made, why) < 0) return -1;
    networks->held[networks->count++] = made;
    return made.namespace;
}

struct network *networks_find(const struct networks *networks, uint64_t handle) {
    for (size_t index = 0; index < networks->count; index++) {
        if ((uint64_t)networks->held[index].namespace == handle) return &networks->held[index];
    }
    return NULL;
}

void networks_release(struct networks *networks, struct network *network) {
    for (size_t index = 0; index < RESOLVER_SOCKETS; index++) close_fd(&network->sockets[index]);
    close_fd(&network->namespace);
    *network = networks->held[--networks->count];
}
