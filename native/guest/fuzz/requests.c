/*
 * A host that sends noise as requests about a process that runs: each is done, or refused with a reason, and the windows hold.
 * What changes the machine itself is left out, as this is none: SETUP, START, the clock and the power; their payloads are plans.c's.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/guest-protocol.h"
#include "common/io.h"
#include "guest/guest.h"
#include "guest/process.h"
#include "guest/streams.h"
#include "vm/tests/turn.h"

#define PROCESS 1
/* Of one input: more of them are other inputs. */
#define REQUESTS_MAX 5

struct stand {
    struct guest guest;
    int host;         /* the other end of the port */
    int standard[3];  /* the process's own ends */
};

static void on_broken(struct port *port) {
    (void)port;
}

/* Nobody's: signals reach it, and those that it need not take wait. */
static pid_t bystander(void) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* before it is there */
    pid_t pid = fork();
    if (pid != 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
}

static int open_stream(struct watch *ours, int *theirs) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) return -1;
    ours->fd = ends[0];
    *theirs = ends[1];
    return 0;
}

static struct process *add_process(struct stand *stand, pid_t pid) {
    struct process *process = calloc(1, sizeof(*process));
    if (!process) return NULL;
    *process = (struct process){.guest = &stand->guest, .id = PROCESS, .pid = pid, .started = true, .terminal = true};
    process->channel = (struct watch){.fd = -1};
    process->grace = (struct watch){.fd = -1};
    streams_init(process);
    stand->guest.processes = process;
    if (open_stream(&process->input, &stand->standard[0]) < 0) return NULL;
    for (int index = 0; index < 2; index++) {
        if (open_stream(&process->output[index].watch, &stand->standard[index + 1]) < 0) return NULL;
    }
    streams_start(process);
    return process;
}

static bool open_stand(struct stand *stand, pid_t pid) {
    int port[2];
    *stand = (struct stand){.host = -1, .standard = {-1, -1, -1}};
    stand->guest.port.frame = guest_frame;
    stand->guest.port.broken = on_broken;
    if (loop_open(&stand->guest.loop) < 0) return false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, port) < 0) return false;
    stand->host = port[0];
    return port_open(&stand->guest.port, &stand->guest.loop, port[1]) == 0 && add_process(stand, pid) != NULL;
}

static void close_stand(struct stand *stand) {
    while (stand->guest.processes) process_free(stand->guest.processes);
    port_close(&stand->guest.port);
    close_fd(&stand->host);
    for (int index = 0; index < 3; index++) close_fd(&stand->standard[index]);
    close(stand->guest.loop.epoll);
}

/* The process reads what it is given, and writes now and then, as much as its stream takes. */
static void live(struct stand *stand, uint8_t how) {
    static uint8_t bytes[16384];
    while (read(stand->standard[0], bytes, sizeof(bytes)) > 0 && how % 3 != 0) continue;
    for (int index = 1; index < 3; index++) {
        if (how >> index & 1) (void)!send(stand->standard[index], bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    turn(&stand->guest.loop);
    while (read(stand->host, bytes, sizeof(bytes)) > 0) continue;
}

static void request(struct stand *stand, const uint8_t *data, size_t length) {
    static const uint8_t TYPES[] = {GUEST_STDIN, GUEST_CLOSE_STDIN, GUEST_SIGNAL,     GUEST_RESIZE,
                                    GUEST_WINDOW, GUEST_PUT_FILE,   GUEST_DNS_ANSWER, GUEST_PING,
                                    0x7f};
    AUTO_BUFFER payload = {0};
    uint8_t type = TYPES[data[0] % sizeof(TYPES)];
    uint64_t first = 0;
    uint64_t second = 0;
    memcpy(&first, data + 1, length < sizeof(first) ? length : sizeof(first));
    if (length > sizeof(first)) memcpy(&second, data + 1 + sizeof(first), length - sizeof(first) < 8 ? length - sizeof(first) : 8);
    switch (data[0] >> 4) {
        case 0: field_append_number(&payload, GUEST_TAG_NUMBER, first % 70); break;
        case 1:
            field_append_number(&payload, GUEST_TAG_STREAM, first % 4);
            field_append_number(&payload, GUEST_TAG_BYTES, second % 300000);
            break;
        case 2:
            field_append_number(&payload, GUEST_TAG_ROWS, first);
            field_append_number(&payload, GUEST_TAG_COLUMNS, second);
            break;
        default: buffer_append(&payload, data + 1, length); break;
    }
    const struct frame frame = {.version = PROTOCOL_VERSION, .type = type, .id = data[0] == 0xff ? 2 : PROCESS,
                                .payload = payload.data, .length = payload.length};
    guest_frame(&stand->guest.port, &frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static pid_t pid;
    struct stand stand;
    if (size > 65536) return 0;
    if (pid == 0) pid = bystander();
    if (pid > 0 && waitpid(pid, NULL, WNOHANG) == pid) pid = bystander(); /* a signal has ended it */
    if (pid > 0 && open_stand(&stand, pid)) {
        for (int requests = 0; requests < REQUESTS_MAX && size > 2; requests++) {
            size_t length = data[1] < size - 2 ? data[1] : size - 2;
            uint8_t head[256] = {data[0]};
            memcpy(head + 1, data + 2, length);
            request(&stand, head, length);
            live(&stand, data[1]);
            data += 2 + length;
            size -= 2 + length;
        }
        close_stand(&stand);
    }
    return 0;
}
