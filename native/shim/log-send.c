#include "log-send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"

#define PATIENCE 1000 /* milliseconds */

/* Of syslog(3): what Docker gives to the lines of each stream. */
#define SEVERITY_ERROR 3
#define SEVERITY_INFO 6

static unsigned severity_of(const struct log_message *message) {
    return message->stream == LOG_STDERR ? SEVERITY_ERROR : SEVERITY_INFO;
}

static int append_text(struct buffer *out, const char *text) {
    return buffer_append(out, text, strlen(text));
}

/* As local programs write it: "<30>Nov 25 19:00:00 tag[42]: text". */
static int format_syslog(struct buffer *out, const struct send_plan *plan, const struct log_message *message) {
    char head[64];
    char stamp[32];
    char pid[32];
    time_t seconds = (time_t)(message->time / 1000000000u);
    struct tm parts;
    localtime_r(&seconds, &parts);
    strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &parts);
    snprintf(head, sizeof(head), "<%u>%s ", (unsigned)plan->facility * 8 + severity_of(message), stamp);
    snprintf(pid, sizeof(pid), "[%d]: ", (int)getpid());
    append_text(out, head);
    buffer_append(out, plan->constant.data, plan->constant.length);
    append_text(out, pid);
    return buffer_append(out, message->text, message->length);
}

/* systemd's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a text may hold anything when its length comes first. */
static int format_journald(struct buffer *out, const struct send_plan *plan, const struct log_message *message) {
    char priority[32];
    uint8_t length[8];
    for (size_t index = 0; index < sizeof(length); index++) length[index] = (uint8_t)(message->length >> (8 * index));
    snprintf(priority, sizeof(priority), "PRIORITY=%u\n", severity_of(message));
    buffer_append(out, plan->constant.data, plan->constant.length);
    append_text(out, priority);
    if (!message->whole) append_text(out, "CONTAINER_PARTIAL_MESSAGE=true\n");
    append_text(out, "MESSAGE\n");
    buffer_append(out, length, sizeof(length));
    buffer_append(out, message->text, message->length);
    return append_text(out, "\n");
}

int log_send_format(struct buffer *out, const struct send_plan *plan, const struct log_message *message) {
    return plan->journald ? format_journald(out, plan, message) : format_syslog(out, plan, message);
}

static int connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    AUTO_CLOSE fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) return -1;
    return take_fd(&fd);
}

static int wait_for(int socket, short events) {
    struct pollfd wait = {.fd = socket, .events = events};
    return RETRY(poll(&wait, 1, PATIENCE));
}

/* A TCP connection comes to be while we wait, or not at all. */
static int finish_connect(int socket) {
    int error = ETIMEDOUT;
    socklen_t length = sizeof(error);
    if (wait_for(socket, POLLOUT) == 1) getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
    errno = error;
    return error == 0 ? 0 : -1;
}

/* "IP:PORT"; an IPv6 address has colons of its own, so the last one counts. */
static int connect_inet(const char *text, int type) {
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN] = {0};
    if (!colon || (size_t)(colon - text) >= sizeof(host)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(host, text, (size_t)(colon - text));
    uint16_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    AUTO_CLOSE fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    if (fd < 0) return -1;
    if (connect(fd, address, is_v4 ? sizeof(v4) : sizeof(v6)) < 0) {
        if (errno != EINPROGRESS || finish_connect(fd) < 0) return -1;
    }
    return take_fd(&fd);
}

static bool is_stream(const char *address) {
    return strncmp(address, "tcp:", 4) == 0;
}

static int connect_receiver(const char *address) {
    if (strncmp(address, "unix:", 5) == 0) return connect_unix(address + 5);
    if (strncmp(address, "udp:", 4) == 0) return connect_inet(address + 4, SOCK_DGRAM);
    if (is_stream(address)) return connect_inet(address + 4, SOCK_STREAM);
    errno = EINVAL;
    return -1;
}

int log_send_open(struct log_send *send, const struct send_plan *plan, struct failure *why) {
    *send = (struct log_send){.socket = -1, .plan = plan};
    if (!plan->address) return 0;
    send->stream = is_stream(plan->address);
    send->socket = connect_receiver(plan->address);
    return send->socket < 0 ? fail_errno(why, "the log's receiver at %s", plan->address) : 0;
}

static bool send_datagram(const struct log_send *to, const struct buffer *datagram) {
    return RETRY(send(to->socket, datagram->data, datagram->length, MSG_NOSIGNAL)) >= 0;
}

/* A receiver that was started again has a new socket at the same path. */
static void reconnect(struct log_send *send) {
    int fd = connect_receiver(send->plan->address);
    if (fd < 0) return;
    close_fd(&send->socket);
    send->socket = fd;
}

static bool deliver_datagram(struct log_send *send, const struct buffer *datagram) {
    if (send_datagram(send, datagram)) return true;
    if (errno == EAGAIN) wait_for(send->socket, POLLOUT);
    else reconnect(send);
    return send_datagram(send, datagram);
}

/* ---- TCP ---- */

/* A receiver that has closed its end reads no more, though the kernel would take what is sent. */
static bool is_closed(int socket) {
    uint8_t byte;
    ssize_t count = RETRY(recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT));
    return count == 0 || (count < 0 && errno != EAGAIN);
}

static bool connect_again(struct log_send *send) {
    uint64_t time = monotonic_milliseconds();
    if (send->closed_at && time - send->closed_at < PATIENCE) {
        errno = ENOTCONN;
        return false;
    }
    buffer_free(&send->begun);
    int fd = connect_receiver(send->plan->address);
    send->closed_at = fd < 0 ? monotonic_milliseconds() : 0;
    if (fd < 0) return false;
    close_fd(&send->socket);
    send->socket = fd;
    return true;
}

/* Sends as much as is taken, and waits once for more to be; returns how much that was. */
static size_t send_some(int socket, const uint8_t *data, size_t length) {
    size_t sent = 0;
    bool has_waited = false;
    while (sent < length) {
        ssize_t count = RETRY(send(socket, data + sent, length - sent, MSG_NOSIGNAL));
        if (count > 0) {
            sent += (size_t)count;
        } else if (errno == EAGAIN && !has_waited) {
            has_waited = true;
            if (wait_for(socket, POLLOUT) == 0) errno = EAGAIN;
        } else {
            break;
        }
    }
    return sent;
}

/* A message of which a part was taken is whole for the receiver in the end: its rest goes before the next one. */
static bool deliver_line(struct log_send *send, struct buffer *line) {
    if (buffer_append(line, "\n", 1) < 0) return false;
    if ((send->closed_at || is_closed(send->socket)) && !connect_again(send)) return false;
    buffer_consume(&send->begun, send_some(send->socket, send->begun.data, send->begun.length));
    if (send->begun.length > 0) return false;
    size_t sent = send_some(send->socket, line->data, line->length);
    if (sent == 0) return false;
    return sent == line->length || buffer_append(&send->begun, line->data + sent, line->length - sent) == 0;
}

void log_send_message(struct log_send *send, const struct log_message *message) {
    if (send->socket < 0) return;
    AUTO_BUFFER text = {0};
    if (log_send_format(&text, send->plan, message) == 0) {
        if (send->stream ? deliver_line(send, &text) : deliver_datagram(send, &text)) return;
    }
    if (send->lost++ == 0) log_line("%s does not take log messages: %s", send->plan->address, strerror(errno));
}

void log_send_close(struct log_send *send) {
    if (send->lost > 0) log_line("%s lost %llu messages", send->plan->address, (unsigned long long)send->lost);
    send->lost = 0;
    buffer_free(&send->begun);
    close_fd(&send->socket);
}
