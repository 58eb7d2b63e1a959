/* One descriptor over a socket, however many the other side sends. */
#include "common/io.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/check.h"
#include "testing/descriptors.h"

static void more_than_one_leave_none_open(int sender, int receiver) {
    for (size_t sent = 1; sent <= DESCRIPTORS_SENT_MAX; sent++) {
        int before = lowest_free_descriptor();
        send_descriptors(sender, sender, sent);
        int received = receive_fd(receiver);
        CHECK(received >= 0 && close(received) == 0);
        CHECK(lowest_free_descriptor() == before);
    }
}

static void none_is_a_broken_protocol(int sender, int receiver) {
    CHECK(write(sender, "x", 1) == 1);
    CHECK(receive_fd(receiver) == -1 && errno == EPROTO);
}

int main(void) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    more_than_one_leave_none_open(ends[0], ends[1]);
    none_is_a_broken_protocol(ends[0], ends[1]);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
