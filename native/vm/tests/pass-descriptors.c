/* Descriptors over a socket: no more than there is room for, whatever the other side sends. */
#include "vm/pass-descriptors.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/check.h"
#include "testing/descriptors.h"

#define TOO_MANY (PASSED_MAX + 1)

int main(void) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    for (size_t sent = 1; sent <= TOO_MANY; sent++) {
        size_t room = PASSED_MAX;
        int descriptors[PASSED_MAX];
        size_t count;
        uint8_t byte;
        int before = lowest_free_descriptor();
        send_descriptors(ends[0], ends[0], sent);
        CHECK(receive_with_descriptors(ends[1], &byte, 1, descriptors, &count) == 1);
        CHECK(count == (sent < room ? sent : room));
        for (size_t index = 0; index < count; index++) CHECK(close(descriptors[index]) == 0);
        CHECK(lowest_free_descriptor() == before);
    }
    close(ends[0]);
    close(ends[1]);
    return 0;
}
