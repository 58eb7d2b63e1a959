/* Descriptors in the tests of those who receive them. */
#ifndef BERTH_TESTING_DESCRIPTORS_H
#define BERTH_TESTING_DESCRIPTORS_H

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/check.h"

#define DESCRIPTORS_SENT_MAX 16

/* Sends a byte with `count` copies of a descriptor. */
static inline void send_descriptors(int socket, int descriptor, size_t count) {
    union {
        char bytes[CMSG_SPACE(DESCRIPTORS_SENT_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    char byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    CHECK(count > 0 && count <= DESCRIPTORS_SENT_MAX);
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

/* The same before and after: none is left open. */
static inline int lowest_free_descriptor(void) {
    int fd = fcntl(0, F_DUPFD, 0);
    close(fd);
    return fd;
}

#endif
