/* Sandboxes come and go as the launcher says; each message is struct resolver_message of common/resolver-protocol.h. */
#include "common/resolver-protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/io.h"
#include "resolver.h"

/* The descriptors that came with a message; -1 where none did. */
static void take_descriptors(struct msghdr *header, int fds[RESOLVER_SOCKETS]) {
    for (size_t index = 0; index < RESOLVER_SOCKETS; index++) fds[index] = -1;
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) return;
    size_t size = control->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(control), size < sizeof(int[RESOLVER_SOCKETS]) ? size : sizeof(int[RESOLVER_SOCKETS]));
}

/* 0: the launcher has gone. */
static ssize_t receive(int socket, struct resolver_message *message, int fds[RESOLVER_SOCKETS]) {
    union {
        char bytes[CMSG_SPACE(sizeof(int[RESOLVER_SOCKETS]))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = message, .iov_len = sizeof(*message)};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t length = RETRY(recvmsg(socket, &header, MSG_CMSG_CLOEXEC));
    if (length >= 0) take_descriptors(&header, fds);
    return length;
}

static void close_all(int fds[RESOLVER_SOCKETS]) {
    for (size_t index = 0; index < RESOLVER_SOCKETS; index++) close_fd(&fds[index]);
}

static void obey(struct resolver *resolver, const struct resolver_message *message, int fds[RESOLVER_SOCKETS]) {
    if (message->version != RESOLVER_VERSION) {
        log_line("the resolver does not speak version %u", message->version);
    } else if (message->command == RESOLVER_REMOVE) {
        sandbox_remove(resolver, message->sandbox);
    } else if (message->command == RESOLVER_ADD && fds[0] >= 0 && fds[1] >= 0) {
        if (sandbox_add(resolver, message->sandbox, take_fd(&fds[0]), take_fd(&fds[1])) < 0) {
            log_line("a sandbox gets no names: %s", strerror(errno));
        }
    }
    close_all(fds);
}

static void on_ready(struct watch *watch, uint32_t events) {
    (void)events;
    struct resolver *resolver = container_of(watch, struct resolver, control);
    struct resolver_message message = {0};
    int fds[RESOLVER_SOCKETS];
    ssize_t length = receive(watch->fd, &message, fds);
    if (length < 0 && errno == EAGAIN) return;
    if (length == sizeof(message)) {
        obey(resolver, &message, fds);
        return;
    }
    if (length > 0) close_all(fds);
    loop_close(&resolver->loop, &resolver->control);
    resolver->orphaned = true;
    resolver_tick(resolver);
    sandboxes_check(resolver);
}

int control_open(struct resolver *resolver, int socket) {
    resolver->control = (struct watch){.fd = socket, .ready = on_ready};
    return set_nonblocking(socket) < 0 ? -1 : loop_watch(&resolver->loop, &resolver->control, EPOLLIN);
}
