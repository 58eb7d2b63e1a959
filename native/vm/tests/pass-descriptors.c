/* Descriptors over a socket: no more than there is room for, whatever the other side sends. */
#include "vm/pass-descriptors.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"

#define TOO_MANY (PASSED_MAX + 1)

static void send_descriptors(int socket, int descriptor, size_t count) {
    union {
        char bytes[CMSG_SPACE(TOO_MANY * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    char byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
    for (size_t index = 0; index < count; index++) {
        memcpy(CMSG_DATA(header) + index * sizeof(int), &descriptor, sizeof(int));
    }
    CHECK(sendmsg(socket, &message, 0) == 1);
}

static int lowest_free_descriptor(void) {
    int fd = fcntl(0, F_DUPFD, 0);
    close(fd);
    return fd;
}

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
