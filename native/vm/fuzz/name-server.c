/* Any bytes as what a guest sends to the name server by TCP, in pieces, where nobody resolves: what it may cost is checked. */
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/failure.h"
#include "testing/check.h"
#include "vm/name-server.h"
#include "vm/tests/turn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool has_begun;
    static struct name_server server;
    struct loop loop;
    int ends[2];
    /* No question is to leave this process; where it cannot be alone, only loopback would hear it. */
    if (!has_begun && unshare(CLONE_NEWNET) < 0) log_line("the host's loopback is used");
    has_begun = true;
    if (size > 512) size = 512;
    CHECK(loop_open(&loop) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    name_server_open(&server, &loop);
    name_server_connect(&server, ends[0]);
    for (size_t at = 0; at < size;) {
        size_t piece = 1 + data[at] % 32;
        if (piece > size - at) piece = size - at;
        if (send(ends[1], data + at, piece, MSG_NOSIGNAL) < 0) break;
        turn(&loop);
        at += piece;
    }
    for (size_t index = 0; index < NAME_SERVER_CONNECTIONS; index++) {
        CHECK(server.connections[index].in.length <= UINT16_MAX + 4096);
    }
    name_server_close(&server);
    close(ends[1]);
    close(loop.epoll);
    return 0;
}
