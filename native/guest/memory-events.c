#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "guest.h"

/* A line "oom_kill N": also of those that the kernel killed because the whole machine was short of memory. */
#define EVENTS PROCESSES_CGROUP "/memory.events"
#define KILLS "\noom_kill "

static uint64_t kills_in(int file) {
    char text[512];
    ssize_t length = pread(file, text, sizeof(text) - 1, 0);
    if (length <= 0) return 0;
    text[length] = 0;
    const char *line = strstr(text, KILLS);
    return line ? strtoull(line + strlen(KILLS), NULL, 10) : 0;
}

uint64_t memory_kills(void) {
    AUTO_CLOSE file = open(EVENTS, O_RDONLY | O_CLOEXEC);
    return file < 0 ? 0 : kills_in(file);
}

static void on_memory(struct watch *watch, uint32_t events) {
    struct guest *guest = container_of(watch, struct guest, memory);
    (void)events;
    uint64_t kills = kills_in(watch->fd); /* which also ends the readiness */
    if (kills == 0) return; /* another line has changed */
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, GUEST_TAG_COUNT, kills);
    port_send(&guest->port, GUEST_OUT_OF_MEMORY, 0, payload.data, payload.length);
}

int memory_events_open(struct guest *guest, struct failure *why) {
    guest->memory = (struct watch){.fd = open(EVENTS, O_RDONLY | O_CLOEXEC), .ready = on_memory};
    if (guest->memory.fd < 0) {
        if (errno == ENOENT) return 0; /* a kernel without the accounts */
        return fail_errno(why, EVENTS);
    }
    kills_in(guest->memory.fd);
    return loop_watch(&guest->loop, &guest->memory, EPOLLPRI) < 0 ? fail_errno(why, EVENTS) : 0;
}
