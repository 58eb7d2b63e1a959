#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void close_fd(int *fd) {
    if (*fd < 0) return;
    int error = errno;
    close(*fd);
    errno = error;
    *fd = -1;
}

void free_text(char **text) {
    free(*text);
    *text = NULL;
}

int take_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}

int write_all(int fd, const void *data, size_t length) {
    const uint8_t *at = data;
    while (length > 0) {
        ssize_t written = RETRY(write(fd, at, length));
        if (written < 0) return -1;
        at += written;
        length -= (size_t)written;
    }
    return 0;
}

int read_until_end(int fd, struct buffer *out, size_t limit) {
    for (;;) {
        uint8_t *room = buffer_reserve(out, 4096);
        if (!room) return -1;
        ssize_t count = RETRY(read(fd, room, 4096));
        if (count <= 0) return (int)count;
        out->length += (size_t)count;
        if (out->length > limit) {
            errno = EFBIG;
            return -1;
        }
    }
}

int memory_file(const char *name, const void *data, size_t length) {
    AUTO_CLOSE fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0 || write_all(fd, data, length) < 0 || lseek(fd, 0, SEEK_SET) < 0) return -1;
    return take_fd(&fd);
}

int set_inheritable(int fd) {
    return fcntl(fd, F_SETFD, 0);
}

int set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int listen_at(const char *path, struct failure *why) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return fail(why, FAILURE_INVALID, "the socket path %s is longer than %zu bytes", path,
                    sizeof(address.sun_path) - 1);
    }
    strcpy(address.sun_path, path);
    AUTO_CLOSE fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail_errno(why, "no socket");
    if (unlink(path) < 0 && errno != ENOENT) return fail_errno(why, "the old socket %s cannot be removed", path);
    mode_t mask = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (bound < 0) return fail_errno(why, "the socket %s cannot be made", path);
    if (listen(fd, 128) < 0) return fail_errno(why, "cannot listen at %s", path);
    return take_fd(&fd);
}

int receive_fd(int socket) {
    char data[256];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = data, .iov_len = sizeof(data)};
    /* Without the padding, which the kernel would take for room for another one. */
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof(int))};
    if (RETRY(recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int))) {
        errno = EPROTO;
        return -1;
    }
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t monotonic_milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000u + (uint64_t)time.tv_nsec / 1000000u;
}
