#include "networks.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/io.h"

static int open_current(void) {
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int raise_loopback(void) {
    AUTO_CLOSE control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) return -1;
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    return ioctl(control, SIOCSIFFLAGS, &request);
}

/* One thread, so the launcher itself can step into the new namespace and back: cheaper than a fork. */
static int create(int own, struct failure *why) {
    if (unshare(CLONE_NEWNET) < 0) return fail_errno(why, "no new network namespace");
    AUTO_CLOSE made = open_current();
    bool raised = made >= 0 && raise_loopback() == 0;
    if (!raised) fail_errno(why, "the new network namespace");
    if (setns(own, CLONE_NEWNET) < 0) {
        log_line("the launcher cannot return to its network namespace: %s", strerror(errno));
        abort(); /* everything it does from here on would be wrong */
    }
    return raised ? take_fd(&made) : -1;
}

int networks_open(struct networks *networks, struct failure *why) {
    *networks = (struct networks){.own = open_current()};
    return networks->own < 0 ? fail_errno(why, "the network namespace") : 0;
}

int networks_create(struct networks *networks, struct failure *why) {
    int *held = realloc(networks->held, (networks->count + 1) * sizeof(*held));
    if (!held) return fail_errno(why, "a network namespace");
    networks->held = held;
    int made = create(networks->own, why);
    if (made >= 0) networks->held[networks->count++] = made;
    return made;
}

bool networks_has(const struct networks *networks, uint64_t handle) {
    for (size_t index = 0; index < networks->count; index++) {
        if ((uint64_t)networks->held[index] == handle) return true;
    }
    return false;
}

int networks_release(struct networks *networks, uint64_t handle, struct failure *why) {
    for (size_t index = 0; index < networks->count; index++) {
        if ((uint64_t)networks->held[index] != handle) continue;
        close_fd(&networks->held[index]);
        networks->held[index] = networks->held[--networks->count];
        return 0;
    }
    return fail(why, FAILURE_NOT_FOUND, "no network namespace has the handle %llu", (unsigned long long)handle);
}
