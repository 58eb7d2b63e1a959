#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "guest.h"

/* How long the port may take for the last answer (milliseconds): the host may be gone. */
#define ANSWER_PATIENCE 1000

/* A file system that is still in use, as a kernel thread may have it for a moment, is brought to the disk at least. */
static void leave_disks(void) {
    umount2(ROOT_DIRECTORY, MNT_DETACH);
    if (umount2(WRITABLE_DIRECTORY, 0) < 0) mount(NULL, WRITABLE_DIRECTORY, NULL, MS_REMOUNT | MS_RDONLY, NULL);
    /* In any case: namespaces that are on their way out may hold the file system still, which then is only out of sight. */
    sync();
}

/* A write that waits ends when the host has the bytes. */
static void answer_last(struct port *port, uint16_t id) {
    struct pollfd writable = {.fd = port->watch.fd, .events = POLLOUT};
    if (poll(&writable, 1, ANSWER_PATIENCE) != 1) return;
    fcntl(port->watch.fd, F_SETFL, fcntl(port->watch.fd, F_GETFL) & ~O_NONBLOCK);
    port_send(port, GUEST_OK, id, NULL, 0);
}

_Noreturn void power_off(struct guest *guest, bool answer, uint16_t id) {
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
    leave_disks();
    if (answer) answer_last(&guest->port, id);
    reboot(RB_POWER_OFF);
    _exit(0); /* the kernel panics: that ends the machine as well */
}
