/* What goes to syslog and to journald, and that a receiver which was started again gets it as well. */
#include "shim/log-send.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"

static const struct log_message LINE = {
    .stream = LOG_STDERR, .text = (const uint8_t *)"hello", .length = 5, .whole = true, .time = 0};

static struct send_plan plan_for(const char *address, bool journald, const char *constant) {
    struct send_plan plan = {.journald = journald, .address = (char *)address, .facility = 19};
    CHECK(buffer_append(&plan.constant, constant, strlen(constant)) == 0);
    return plan;
}

static void syslog_has_priority_tag_and_pid(void) {
    struct send_plan plan = plan_for("unix:/nowhere", false, "web");
    AUTO_BUFFER out = {0};
    char end[64];
    snprintf(end, sizeof(end), " web[%d]: hello", (int)getpid());
    CHECK(log_send_format(&out, &plan, &LINE) == 0);
    CHECK(memcmp(out.data, "<155>", 5) == 0); /* local3, error */
    CHECK(out.length > strlen(end) && memcmp(out.data + out.length - strlen(end), end, strlen(end)) == 0);
    buffer_free(&plan.constant);
}

static void journald_has_the_length_before_the_text(void) {
    struct send_plan plan = plan_for("unix:/nowhere", true, "CONTAINER_NAME=web\n");
    static const char EXPECTED[] =
        "CONTAINER_NAME=web\nPRIORITY=3\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE\n\5\0\0\0\0\0\0\0hello\n";
    struct log_message part = LINE;
    part.whole = false;
    AUTO_BUFFER out = {0};
    CHECK(log_send_format(&out, &plan, &part) == 0);
    CHECK(out.length == sizeof(EXPECTED) - 1 && memcmp(out.data, EXPECTED, out.length) == 0);
    buffer_free(&plan.constant);
}

static int receiver_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static void check_received(int fd) {
    char text[256];
    ssize_t length = recv(fd, text, sizeof(text), MSG_DONTWAIT);
    CHECK(length > 5 && memcmp(text + length - 5, "hello", 5) == 0);
}

static void a_receiver_that_was_started_again_goes_on(void) {
    char path[64];
    char address[80];
    snprintf(path, sizeof(path), "/tmp/berth-log-%d.sock", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    struct send_plan plan = plan_for(address, false, "web");
    struct log_send log;
    struct failure why;
    CHECK(log_send_open(&log, &plan, &why) < 0); /* nobody there */
    int first = receiver_at(path);
    CHECK(log_send_open(&log, &plan, &why) == 0);
    log_send_message(&log, &LINE);
    check_received(first);
    close(first);
    int second = receiver_at(path);
    log_send_message(&log, &LINE);
    check_received(second);
    CHECK(log.lost == 0);
    close(second);
    unlink(path);
    log_send_message(&log, &LINE);
    CHECK(log.lost == 1);
    log_send_close(&log);
    buffer_free(&plan.constant);
}

/* Listens on a port of 127.0.0.1, 0 for any; returns the socket and sets the port. */
static int listen_on(uint16_t *port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void check_line(int connection) {
    char text[256];
    ssize_t length = recv(connection, text, sizeof(text), 0);
    CHECK(length > 6 && memcmp(text + length - 6, "hello\n", 6) == 0);
}

static void a_tcp_receiver_gets_lines_also_when_it_was_started_again(void) {
    char address[32];
    uint16_t port = 0;
    int server = listen_on(&port);
    snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", port);
    struct send_plan plan = plan_for(address, false, "web");
    struct log_send log;
    struct failure why;
    CHECK(log_send_open(&log, &plan, &why) == 0);
    int connection = accept(server, NULL, NULL);
    log_send_message(&log, &LINE);
    check_line(connection);
    close(connection);
    close(server);
    log_send_message(&log, &LINE); /* nobody there: lost, and not asked again at once */
    CHECK(log.lost == 1 && log.closed_at > 0);
    server = listen_on(&port);
    log.closed_at -= 1000;
    log_send_message(&log, &LINE);
    connection = accept(server, NULL, NULL);
    check_line(connection);
    CHECK(log.lost == 1);
    close(connection);
    close(server);
    log_send_close(&log);
    CHECK(log_send_open(&log, &plan, &why) < 0); /* nobody there */
    buffer_free(&plan.constant);
}

/* Reads all that comes, and checks that no line begins in another. */
static void check_whole_lines(int connection) {
    static char text[1 << 24];
    size_t length = 0;
    for (ssize_t count; (count = recv(connection, text + length, sizeof(text) - length, 0)) > 0;) length += (size_t)count;
    CHECK(length > 0 && text[length - 1] == '\n');
    for (char *at = text; at < text + length; at = (char *)memchr(at, '\n', (size_t)(text + length - at)) + 1) {
        CHECK(memcmp(at, "<155>", 5) == 0);
    }
}

static void a_tcp_receiver_that_is_slow_gets_whole_lines(void) {
    static uint8_t longest[16384];
    memset(longest, 'a', sizeof(longest));
    const struct log_message message = {
        .stream = LOG_STDERR, .text = longest, .length = sizeof(longest), .whole = true, .time = 0};
    char address[32];
    uint16_t port = 0;
    int server = listen_on(&port);
    snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", port);
    struct send_plan plan = plan_for(address, false, "web");
    struct log_send log;
    struct failure why;
    CHECK(log_send_open(&log, &plan, &why) == 0);
    int connection = accept(server, NULL, NULL);
    while (log.begun.length == 0 && log.lost == 0) log_send_message(&log, &message);
    pid_t reader = fork();
    CHECK(reader >= 0);
    if (reader == 0) {
        close_fd(&log.socket);
        check_whole_lines(connection);
        _exit(0);
    }
    close(connection);
    log_send_message(&log, &LINE);
    CHECK(log.begun.length == 0);
    log_send_close(&log);
    int status;
    CHECK(waitpid(reader, &status, 0) == reader && status == 0);
    close(server);
    buffer_free(&plan.constant);
}

int main(void) {
    syslog_has_priority_tag_and_pid();
    journald_has_the_length_before_the_text();
    a_receiver_that_was_started_again_goes_on();
    a_tcp_receiver_gets_lines_also_when_it_was_started_again();
    a_tcp_receiver_that_is_slow_gets_whole_lines();
    return 0;
}
