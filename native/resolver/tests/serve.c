/* The resolver's loop with sockets of a sandbox: what clients get by UDP and by TCP. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "query.h"
#include "resolver/resolver.h"
#include "testing/check.h"

#define SANDBOX 7
#define MANY 100

struct served {
    pid_t pid;
    struct sockaddr_in address;
};

static void write_text(const char *path, const char *text) {
    AUTO_CLOSE file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(file >= 0 && write_all(file, text, strlen(text)) == 0);
}

/* "web" has one address, "many" more than a datagram holds. */
static void write_network(const char *path) {
    FILE *file = fopen(path, "w");
    CHECK(file);
    fputs("berth-names 1\nnetwork shop\nhost 10.0.0.2 web\nname web 10.0.0.2\n", file);
    for (int number = 0; number < MANY; number++) fprintf(file, "name many 10.0.1.%d\n", number);
    fputs("end\n", file);
    CHECK(fclose(file) == 0);
}

static int bound(int type, struct sockaddr_in *address) {
    socklen_t length = sizeof(*address);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)address, length) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)address, &length) == 0);
    return fd;
}

/* The loop runs in a process of its own; a sanitizer's complaint ends it, and the client then waits in vain. */
static struct served serve(void) {
    struct served served = {.address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    int udp = bound(SOCK_DGRAM, &served.address);
    int tcp = bound(SOCK_STREAM, &served.address);
    CHECK(listen(tcp, 8) == 0);
    served.pid = fork();
    CHECK(served.pid >= 0);
    if (served.pid == 0) {
        struct resolver resolver = {.control.fd = -1};
        CHECK(loop_open(&resolver.loop) == 0 && clock_open(&resolver) == 0);
        CHECK(sandbox_add(&resolver, SANDBOX, udp, tcp) == 0);
        _exit(loop_run(&resolver.loop) == 0 ? 0 : 1);
    }
    close(udp);
    close(tcp);
    return served;
}

static int connected(const struct served *served, int type) {
    const struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    CHECK(connect(fd, (const struct sockaddr *)&served->address, sizeof(served->address)) == 0);
    return fd;
}

static size_t ask_udp(int fd, const uint8_t *query, size_t length, uint8_t answer[MESSAGE_MAX]) {
    CHECK(send(fd, query, length, 0) == (ssize_t)length);
    ssize_t count = recv(fd, answer, MESSAGE_MAX, 0);
    CHECK(count >= MESSAGE_HEADER);
    return (size_t)count;
}

static void read_whole(int fd, uint8_t *into, size_t length) {
    for (size_t at = 0; at < length;) {
        ssize_t count = recv(fd, into + at, length - at, 0);
        CHECK(count > 0);
        at += (size_t)count;
    }
}

static size_t read_tcp(int fd, uint8_t answer[MESSAGE_MAX]) {
    uint8_t head[2];
    read_whole(fd, head, sizeof(head));
    size_t length = (size_t)(head[0] << 8 | head[1]);
    read_whole(fd, answer, length);
    return length;
}

static size_t frame_tcp(uint8_t *out, const char *name) {
    size_t length = make_query(out + 2, name, TYPE_A, 0);
    out[0] = (uint8_t)(length >> 8);
    out[1] = (uint8_t)length;
    return length + 2;
}

static uint8_t query[2048];
static uint8_t answer_data[MESSAGE_MAX];

static void a_sandbox_that_nothing_is_known_of_is_refused(int udp) {
    ask_udp(udp, query, make_query(query, "web", TYPE_A, 0), answer_data);
    CHECK(message_rcode(answer_data) == RCODE_REFUSED);
}

static void files_count_from_when_they_are_there(int udp) {
    write_network("n-aa");
    write_text("s-7", "berth-names 1\nnetwork aa\nend\n");
    ask_udp(udp, query, make_query(query, "web", TYPE_A, 0), answer_data);
    CHECK(message_rcode(answer_data) == RCODE_OK && answer_data[7] == 1);
    write_text("new", "berth-names 1\nnetwork shop\nname db 10.0.0.3\nend\n");
    CHECK(rename("new", "n-aa") == 0);
    ask_udp(udp, query, make_query(query, "web", TYPE_A, 0), answer_data);
    CHECK(message_rcode(answer_data) == RCODE_SERVER_FAILURE);
    write_text("new", "berth-names 1\nhalf a fi");
    CHECK(rename("new", "n-aa") == 0);
    ask_udp(udp, query, make_query(query, "db", TYPE_A, 0), answer_data);
    CHECK(message_rcode(answer_data) == RCODE_OK && answer_data[7] == 1); /* what was known stays */
    write_network("new");
    CHECK(rename("new", "n-aa") == 0);
}

static void what_is_no_question_is_answered_as_such(int udp) {
    size_t length = make_query(query, "web", TYPE_A, 0);
    ask_udp(udp, query, length - 3, answer_data);
    CHECK(message_rcode(answer_data) == RCODE_FORMAT);
    query[2] = 0x29;
    ask_udp(udp, query, length, answer_data);
    CHECK(message_rcode(answer_data) == RCODE_NOT_IMPLEMENTED);
}

static void what_a_datagram_does_not_hold_comes_by_tcp(const struct served *served, int udp) {
    size_t length = ask_udp(udp, query, make_query(query, "many", TYPE_A, 0), answer_data);
    CHECK(length <= PLAIN_UDP_MAX && (answer_data[2] & 0x02));
    AUTO_CLOSE tcp = connected(served, SOCK_STREAM);
    size_t asked = frame_tcp(query, "many");
    CHECK(write_all(tcp, query, asked) == 0);
    CHECK(read_tcp(tcp, answer_data) > PLAIN_UDP_MAX);
    CHECK(answer_data[7] == MANY && !(answer_data[2] & 0x02));
}

static void questions_of_one_connection_are_answered_in_order(const struct served *served) {
    AUTO_CLOSE tcp = connected(served, SOCK_STREAM);
    size_t length = frame_tcp(query, "web");
    length += frame_tcp(query + length, "nobody");
    length += frame_tcp(query + length, "many");
    for (size_t at = 0; at < length; at++) CHECK(write_all(tcp, query + at, 1) == 0);
    read_tcp(tcp, answer_data);
    CHECK(answer_data[7] == 1);
    read_tcp(tcp, answer_data);
    CHECK(message_rcode(answer_data) == RCODE_SERVER_FAILURE);
    read_tcp(tcp, answer_data);
    CHECK(answer_data[7] == MANY);
}

static void connections_beyond_the_limit_are_closed(const struct served *served) {
    int held[SANDBOX_STREAMS_MAX + 1];
    for (size_t index = 0; index <= SANDBOX_STREAMS_MAX; index++) held[index] = connected(served, SOCK_STREAM);
    size_t length = frame_tcp(query, "web");
    CHECK(write_all(held[0], query, length) == 0);
    read_tcp(held[0], answer_data);
    CHECK(recv(held[SANDBOX_STREAMS_MAX], answer_data, 1, 0) <= 0);
    for (size_t index = 0; index <= SANDBOX_STREAMS_MAX; index++) close(held[index]);
}

int main(void) {
    char folder[] = "/tmp/berth-resolver-XXXXXX";
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    signal(SIGPIPE, SIG_IGN);
    struct served served = serve();
    int udp = connected(&served, SOCK_DGRAM);
    a_sandbox_that_nothing_is_known_of_is_refused(udp);
    files_count_from_when_they_are_there(udp);
    what_is_no_question_is_answered_as_such(udp);
    what_a_datagram_does_not_hold_comes_by_tcp(&served, udp);
    questions_of_one_connection_are_answered_in_order(&served);
    connections_beyond_the_limit_are_closed(&served);
    CHECK(waitpid(served.pid, NULL, WNOHANG) == 0);
    kill(served.pid, SIGKILL);
    waitpid(served.pid, NULL, 0);
    close(udp);
    for (const char *const *name = (const char *const[]){"n-aa", "s-7", NULL}; *name; name++) unlink(*name);
    return rmdir(folder);
}
