/* Questions about names, with a name server that we play in a network namespace of our own. */
#include "vm/names.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"
#include "turn.h"

static struct {
    int count;
    uint16_t guest_id;
    uint8_t message[512];
    size_t length;
} answer;

static void on_answer(struct names *names, uint16_t guest_id, const uint8_t *message, size_t length) {
    CHECK(names && length <= sizeof(answer.message));
    answer.count++;
    answer.guest_id = guest_id;
    answer.length = length;
    if (length > 0) memcpy(answer.message, message, length);
}

static bool enter_network(void) {
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) < 0) return false;
    AUTO_CLOSE any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return any >= 0 && ioctl(any, SIOCSIFFLAGS, &loopback) == 0;
}

static int serve(int type) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x7f00000bu)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    if (type == SOCK_STREAM) CHECK(listen(fd, 4) == 0);
    return fd;
}

/* Handles what comes until `count` answers are there. */
static void turn_until(struct loop *loop, int count) {
    struct epoll_event event;
    while (answer.count < count) {
        CHECK(epoll_wait(loop->epoll, &event, 1, 10000) == 1);
        struct watch *watch = event.data.ptr;
        watch->ready(watch, event.events);
    }
}

static const uint8_t QUESTION[] = {0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 'q'};

static void a_datagram_is_answered_under_its_own_number(struct names *names) {
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    uint8_t message[64];
    AUTO_CLOSE server = serve(SOCK_DGRAM);
    answer.count = 0;
    names_ask(names, 7, false, QUESTION, sizeof(QUESTION));
    names_ask(names, 8, false, QUESTION, sizeof(QUESTION));
    for (int question = 0; question < 2; question++) {
        ssize_t length = recvfrom(server, message, sizeof(message), 0, (struct sockaddr *)&from, &size);
        CHECK(length == (ssize_t)sizeof(QUESTION) && memcmp(message + 2, QUESTION + 2, sizeof(QUESTION) - 2) == 0);
        message[12] = 'a';
        CHECK(sendto(server, message, (size_t)length, 0, (struct sockaddr *)&from, size) == length);
        CHECK(sendto(server, message, (size_t)length, 0, (struct sockaddr *)&from, size) == length); /* once is enough */
        turn_until(names->loop, question + 1);
        CHECK(answer.guest_id == 7 + question && answer.length == sizeof(QUESTION));
        CHECK(answer.message[0] == 0xab && answer.message[1] == 0xcd && answer.message[12] == 'a');
    }
    turn(names->loop);
    CHECK(answer.count == 2);
}

static void a_stream_is_answered_in_pieces(struct names *names) {
    uint8_t message[64];
    AUTO_CLOSE server = serve(SOCK_STREAM);
    answer.count = 0;
    names_ask(names, 9, true, QUESTION, sizeof(QUESTION));
    turn(names->loop);
    AUTO_CLOSE connection = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    turn(names->loop);
    CHECK(connection >= 0 && recv(connection, message, sizeof(message), 0) == (ssize_t)sizeof(QUESTION) + 2);
    CHECK(message[0] == 0 && message[1] == sizeof(QUESTION));
    CHECK(send(connection, message, 5, 0) == 5);
    turn(names->loop);
    CHECK(answer.count == 0);
    CHECK(send(connection, message + 5, sizeof(QUESTION) - 3, 0) == (ssize_t)sizeof(QUESTION) - 3);
    turn_until(names->loop, 1);
    CHECK(answer.guest_id == 9 && answer.length == sizeof(QUESTION) && memcmp(answer.message, QUESTION, answer.length) == 0);
}

static void nobody_there_is_an_empty_answer(struct names *names) {
    answer.count = 0;
    names_ask(names, 10, false, QUESTION, sizeof(QUESTION));
    turn_until(names->loop, 1);
    CHECK(answer.guest_id == 10 && answer.length == 0);
    names_ask(names, 11, true, QUESTION, sizeof(QUESTION));
    turn_until(names->loop, 2);
    CHECK(answer.guest_id == 11 && answer.length == 0);
    names_ask(names, 12, false, QUESTION, 3);
    CHECK(answer.count == 3 && answer.guest_id == 12 && answer.length == 0);
}

/* The server is silent: the oldest question makes room. */
static void questions_without_end_cost_no_more(struct names *names) {
    AUTO_CLOSE server = serve(SOCK_DGRAM);
    answer.count = 0;
    for (int question = 0; question < NAMES_BY_UDP + 3; question++) {
        names_ask(names, (uint16_t)(100 + question), false, QUESTION, sizeof(QUESTION));
    }
    CHECK(answer.count == 3 && answer.guest_id == 102 && answer.length == 0);
}

int main(void) {
    struct loop loop;
    struct names names;
    if (!enter_network()) {
        printf("left out: making a network namespace needs root\n");
        return 0;
    }
    CHECK(loop_open(&loop) == 0);
    names_open(&names, &loop, on_answer);
    a_datagram_is_answered_under_its_own_number(&names);
    a_stream_is_answered_in_pieces(&names);
    nobody_there_is_an_empty_answer(&names);
    questions_without_end_cost_no_more(&names);
    names_close(&names);
    close(loop.epoll);
    return 0;
}
