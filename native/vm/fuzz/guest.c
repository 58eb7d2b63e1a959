/*
 * A hostile guest: the input is made into frames (a type, an id and a length from it each), so that most of them are
 * looked at, for a monitor with a request and a process under way. What it may cost is checked.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"
#include "vm/guest.h"
#include "vm/tests/turn.h"

static const uint8_t TYPES[] = {GUEST_OK,         GUEST_READY,  GUEST_STARTED, GUEST_FILES,         GUEST_PROCESS_LIST,
                                GUEST_STDOUT,     GUEST_STDERR, GUEST_EXITED,  GUEST_OUT_OF_MEMORY, GUEST_DNS_QUERY,
                                GUEST_DNS_QUERY_TCP, GUEST_WINDOW, GUEST_ERROR, 0x42};

static void on_guest(struct guest *guest) {
    (void)guest;
}

static void on_question(struct guest *guest, uint16_t id, bool by_tcp, const uint8_t *message, size_t length) {
    (void)by_tcp;
    (void)message;
    CHECK(length <= UINT16_MAX);
    guest_send(guest, GUEST_DNS_ANSWER, id, NULL, 0);
}

static void on_broken(struct guest *guest, const char *why) {
    (void)guest;
    CHECK(why[0]);
}

static const struct guest_events EVENTS = {
    .ready = on_guest, .question = on_question, .out_of_memory = on_guest, .broken = on_broken, .closed = on_guest};

static void on_started(struct process *process, uint64_t pid) {
    (void)process;
    (void)pid;
}

static void on_refused(struct process *process, const struct failure *why) {
    (void)process;
    CHECK(why->message[0] || !why->message[0]);
}

static void on_ended(struct process *process) {
    CHECK(process->code >= 0 && process->code <= 255);
}

static const struct process_events PROCESS_EVENTS = {.started = on_started, .refused = on_refused, .ended = on_ended};

static void on_answer(struct request *request, const struct frame *answer) {
    struct failure why;
    (void)request;
    guest_failure(answer, &why);
}

static size_t say_next(int port, const uint8_t *data, size_t size) {
    uint8_t nobody[4096];
    AUTO_BUFFER frame = {0};
    size_t length = data[2] % 64;
    if (size < 3 + length) return size;
    CHECK(frame_append(&frame, TYPES[data[0] % sizeof(TYPES)], data[1] % 4, data + 3, length) == 0);
    if (send(port, frame.data, frame.length, MSG_NOSIGNAL) < 0) return size;
    while (recv(port, nobody, sizeof(nobody), 0) > 0) continue;
    return 3 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2];
    struct loop loop;
    struct guest guest;
    if (size > 512) size = 512; /* each frame takes system calls */
    int streams[3] = {open("/dev/null", O_RDWR | O_CLOEXEC), open("/dev/null", O_RDWR | O_CLOEXEC), -1};
    CHECK(loop_open(&loop) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    CHECK(guest_open(&guest, &loop, ends[0], &EVENTS) == 0);
    guest_ask(&guest, GUEST_STATISTICS, NULL, 0, on_answer, &loop); /* its id is 2 */
    process_start(&guest, "plan", 4, streams, &PROCESS_EVENTS, NULL);
    for (size_t at = 0; at + 3 <= size;) {
        at += say_next(ends[1], data + at, size - at);
        turn(&loop);
    }
    /* And as it is: no frames at all. */
    if (size > 0 && send(ends[1], data, size, MSG_NOSIGNAL) > 0) turn(&loop);
    CHECK(guest.connection.in.capacity <= 4 * GUEST_ANSWER_MAX);
    guest_close(&guest);
    close(ends[1]);
    close(loop.epoll);
    return 0;
}
