/* A connection that is found among addresses, and a relay that hands everything on in both directions. */
#include "common/tcp-relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"

static int listen_on_loopback(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(fd, 1) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void takes_the_first_address_that_answers(void) {
    struct failure why;
    uint16_t port;
    AUTO_CLOSE listener = listen_on_loopback(&port);
    const char *const addresses[] = {"::1", "127.0.0.1", NULL};
    AUTO_CLOSE fd = connect_first(addresses, port, &why);
    CHECK(fd >= 0);
}

static void says_why_there_is_none(void) {
    struct failure why;
    uint16_t port;
    int listener = listen_on_loopback(&port);
    close_fd(&listener);
    const char *const addresses[] = {"127.0.0.1", "::1", NULL};
    CHECK(connect_first(addresses, port, &why) < 0);
    CHECK(strstr(why.message, "connect to 127.0.0.1 port") != NULL);
    CHECK(strstr(why.message, "refused") != NULL);
    const char *const names[] = {"somewhere", NULL};
    CHECK(connect_first(names, port, &why) < 0);
    CHECK(strcmp(why.message, "somewhere is no address") == 0);
}

static void hands_everything_on_until_the_end(void) {
    struct failure why;
    int pair[2], input[2], output[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(pipe(input) == 0 && pipe(output) == 0);
    pid_t peer = fork();
    CHECK(peer >= 0);
    if (peer == 0) {
        /* Answers once it has read everything. */
        struct buffer request = {0};
        close(pair[0]);
        close(input[0]);
        close(input[1]);
        if (read_until_end(pair[1], &request, 1024) < 0) _exit(1);
        _exit(write_all(pair[1], "answer:", 7) < 0 || write_all(pair[1], request.data, request.length) < 0);
    }
    close(pair[1]);
    CHECK(write_all(input[1], "question", 8) == 0);
    close(input[1]);
    CHECK(relay(input[0], pair[0], output[1], &why) == 0);
    close(output[1]);
    struct buffer answer = {0};
    CHECK(read_until_end(output[0], &answer, 1024) == 0);
    CHECK(answer.length == 15 && memcmp(answer.data, "answer:question", 15) == 0);
    buffer_free(&answer);
    int status;
    CHECK(waitpid(peer, &status, 0) == peer && status == 0);
}

int main(void) {
    takes_the_first_address_that_answers();
    says_why_there_is_none();
    hands_everything_on_until_the_end();
    return 0;
}
