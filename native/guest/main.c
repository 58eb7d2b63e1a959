/*
 * berth-guest: PID 1 of a virtual machine. It takes from the host what the machine is to be and runs its processes, over
 * the port GUEST_PORT (common/guest-protocol.h). It is /init of an initramfs that also holds berth-fs, berth-init and the
 * modules (src/vm/guest-initramfs.ts).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "guest.h"

static void on_broken(struct port *port) {
    log_line("the host has sent what cannot be understood");
    power_off(container_of(port, struct guest, port), false, 0);
}

static int open_guest(struct guest *guest, struct failure *why) {
    guest->own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (guest->own_pid_namespace < 0 || loop_open(&guest->loop) < 0) return fail_errno(why, "PID 1");
    if (children_open(guest, why) < 0 || memory_events_open(guest, why) < 0) return -1;
    int port = open_host_port(why);
    if (port < 0) return -1;
    guest->port.frame = guest_frame;
    guest->port.broken = on_broken;
    return port_open(&guest->port, &guest->loop, port) < 0 ? fail_errno(why, "the port") : 0;
}

static void announce(struct guest *guest) {
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, GUEST_TAG_VERSION, GUEST_VERSION);
    port_send(&guest->port, GUEST_READY, 0, payload.data, payload.length);
}

int main(void) {
    static struct guest guest = {.namespaces = {-1, -1, -1, -1, -1}};
    struct failure why;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    if (boot(&why) < 0 || open_guest(&guest, &why) < 0) {
        log_line("the machine cannot start: %s", why.message);
        power_off(&guest, false, 0);
    }
    announce(&guest);
    loop_run(&guest.loop);
    log_line("the machine's PID 1 cannot wait for events any more");
    power_off(&guest, false, 0);
}
