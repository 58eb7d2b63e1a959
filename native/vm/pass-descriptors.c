#include "pass-descriptors.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "common/io.h"

union control {
    char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
    struct cmsghdr align;
};

int send_with_descriptors(int socket, const void *data, size_t length, const int *descriptors, size_t count) {
    union control control = {0};
    if (count == 0) return write_all(socket, data, length);
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    ssize_t sent = RETRY(sendmsg(socket, &message, MSG_NOSIGNAL));
    if (sent < 0) return -1;
    return write_all(socket, (const char *)data + sent, length - (size_t)sent);
}

ssize_t receive_with_descriptors(int socket, void *data, size_t length, int descriptors[PASSED_MAX], size_t *count) {
    union control control;
    struct iovec part = {.iov_base = data, .iov_len = length};
    /* Without the padding, which the kernel would take for room. */
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_LEN(PASSED_MAX * sizeof(int))};
    *count = 0;
    ssize_t received = RETRY(recvmsg(socket, &message, MSG_CMSG_CLOEXEC));
    if (received < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return received;
    *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(descriptors, CMSG_DATA(header), *count * sizeof(int));
    return received;
}
