/* The port gives whole frames on however they come, queues what it cannot send, and notices a host that talks nonsense. */
#include "guest/port.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/guest-protocol.h"
#include "common/io.h"
#include "testing/check.h"

struct host {
    struct port port;
    struct loop loop;
    int end;
    int frames;
    uint16_t last_id;
    bool is_broken;
};

static void on_frame(struct port *port, const struct frame *frame) {
    struct host *host = container_of(port, struct host, port);
    host->frames++;
    host->last_id = frame->id;
    host->loop.stopped = true;
}

static void on_broken(struct port *port) {
    struct host *host = container_of(port, struct host, port);
    host->is_broken = true;
    host->loop.stopped = true;
}

static void open_host(struct host *host) {
    int pair[2];
    *host = (struct host){.port = {.frame = on_frame, .broken = on_broken}};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(set_nonblocking(pair[1]) == 0 && loop_open(&host->loop) == 0);
    CHECK(port_open(&host->port, &host->loop, pair[1]) == 0);
    host->end = pair[0];
}

static void close_host(struct host *host) {
    port_close(&host->port);
    close(host->end);
    close(host->loop.epoll);
}

static void run(struct host *host) {
    host->loop.stopped = false;
    CHECK(loop_run(&host->loop) == 0);
}

static void frames_come_in_pieces_and_together(void) {
    struct host host;
    AUTO_BUFFER bytes = {0};
    open_host(&host);
    CHECK(frame_append(&bytes, GUEST_PING, 5, "some payload", 12) == 0);
    CHECK(write_all(host.end, bytes.data, 7) == 0 && write_all(host.end, bytes.data + 7, bytes.length - 7) == 0);
    run(&host);
    CHECK(host.frames == 1 && host.last_id == 5);
    size_t one = bytes.length;
    CHECK(frame_append(&bytes, GUEST_PING, 6, NULL, 0) == 0);
    CHECK(write_all(host.end, bytes.data, bytes.length) == 0);
    run(&host);
    CHECK(host.frames == 3 && host.last_id == 6 && one < bytes.length);
    close_host(&host);
}

static void what_does_not_fit_is_sent_later(void) {
    static uint8_t payload[GUEST_STREAM_MAX];
    struct host host;
    size_t expected = 0, got = 0;
    open_host(&host);
    for (int count = 0; count < 64; count++) {
        port_send(&host.port, GUEST_STDOUT, 1, payload, sizeof(payload));
        expected += FRAME_HEADER + sizeof(payload);
    }
    CHECK(host.port.out.length > host.port.sent);
    CHECK(set_nonblocking(host.end) == 0);
    while (got < expected) {
        uint8_t bytes[65536];
        ssize_t count = read(host.end, bytes, sizeof(bytes));
        if (count > 0) got += (size_t)count;
        else host.port.watch.ready(&host.port.watch, EPOLLOUT);
    }
    CHECK(host.port.out.length == 0);
    close_host(&host);
}

static void nonsense_is_noticed(const void *bytes, size_t length) {
    struct host host;
    open_host(&host);
    CHECK(write_all(host.end, bytes, length) == 0);
    run(&host);
    CHECK(host.is_broken && host.frames == 0);
    close_host(&host);
}

int main(void) {
    static const uint8_t other_version[] = {4, 0, 0, 0, 99, GUEST_PING, 0, 0};
    frames_come_in_pieces_and_together();
    what_does_not_fit_is_sent_later();
    nonsense_is_noticed("\377\377\377\377\377\377\377\377", 8);
    nonsense_is_noticed(other_version, sizeof(other_version));
    return 0;
}
