/* A guest's questions at a card's address, with a resolver that we play, in a network namespace of our own. */
#include "vm/name-server.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"
#include "turn.h"

#define RESOLVER 0x7f00000bu /* 127.0.0.11 */
#define SERVER 0x7f000035u   /* as if it were the lease's */

static const uint8_t QUESTION[] = {0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 'q'};

struct play {
    struct loop loop;
    struct lease lease;
    struct lease_link link;
    struct name_port port;
    struct name_server server;
    int datagrams; /* the resolver's */
    int streams;
};

static bool enter_network(void) {
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) < 0) return false;
    AUTO_CLOSE any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return any >= 0 && ioctl(any, SIOCSIFFLAGS, &loopback) == 0;
}

static struct sockaddr_in place(uint32_t address) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(address)};
}

static int serve(int type) {
    const struct sockaddr_in address = place(RESOLVER);
    const int yes = 1;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0);
    CHECK(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    if (type == SOCK_STREAM) CHECK(listen(fd, 64) == 0);
    return fd;
}

static int guest(int type) {
    const struct sockaddr_in address = place(SERVER);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Handles what comes until there is something to read. */
static void turn_until_readable(struct play *play, int fd) {
    uint8_t byte;
    struct epoll_event event;
    while (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
        if (epoll_wait(play->loop.epoll, &event, 1, 10) != 1) continue;
        struct watch *watch = event.data.ptr;
        watch->ready(watch, event.events);
    }
}

static void open_play(struct play *play) {
    struct failure why;
    *play = (struct play){.lease.server.s_addr = htonl(SERVER), .link.tap = "lo"};
    play->link.lease = &play->lease;
    CHECK(loop_open(&play->loop) == 0);
    play->datagrams = serve(SOCK_DGRAM);
    play->streams = serve(SOCK_STREAM);
    name_server_open(&play->server, &play->loop);
    CHECK(name_server_listen(&play->server, &play->port, &play->link, &why) == 0);
}

static void close_play(struct play *play) {
    name_server_close(&play->server);
    loop_close(&play->loop, &play->port.datagrams);
    loop_close(&play->loop, &play->port.listening);
    close(play->datagrams);
    close(play->streams);
    close(play->loop.epoll);
}

/* Answers one datagram as the resolver does. */
static void resolve(struct play *play, uint8_t word) {
    uint8_t message[64];
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    turn_until_readable(play, play->datagrams);
    ssize_t length = recvfrom(play->datagrams, message, sizeof(message), 0, (struct sockaddr *)&from, &size);
    CHECK(length == (ssize_t)sizeof(QUESTION) && memcmp(message + 2, QUESTION + 2, sizeof(QUESTION) - 3) == 0);
    message[12] = word;
    CHECK(sendto(play->datagrams, message, (size_t)length, 0, (struct sockaddr *)&from, size) == length);
}

static void check_answer(struct play *play, int fd, uint8_t word) {
    uint8_t message[64];
    turn_until_readable(play, fd);
    CHECK(recv(fd, message, sizeof(message), 0) == (ssize_t)sizeof(QUESTION));
    CHECK(memcmp(message, QUESTION, sizeof(QUESTION) - 1) == 0 && message[12] == word);
}

static void each_datagram_is_answered_to_whoever_asked(void) {
    struct play play;
    open_play(&play);
    AUTO_CLOSE one = guest(SOCK_DGRAM);
    AUTO_CLOSE other = guest(SOCK_DGRAM);
    CHECK(send(one, QUESTION, sizeof(QUESTION), 0) == (ssize_t)sizeof(QUESTION));
    turn_until_readable(&play, play.datagrams);
    CHECK(send(other, QUESTION, sizeof(QUESTION), 0) == (ssize_t)sizeof(QUESTION));
    resolve(&play, 'a');
    resolve(&play, 'b');
    check_answer(&play, one, 'a');
    check_answer(&play, other, 'b');
    close_play(&play);
}

/* Ones that nobody answers: those before them are given up, and the next one is answered still. */
static void questions_without_end_cost_no_more(void) {
    struct play play;
    uint8_t message[64];
    open_play(&play);
    AUTO_CLOSE flood = guest(SOCK_DGRAM);
    for (int question = 0; question < 3 * NAME_SERVER_QUESTIONS; question++) {
        CHECK(send(flood, QUESTION, sizeof(QUESTION), 0) == (ssize_t)sizeof(QUESTION));
        turn_until_readable(&play, play.datagrams);
        CHECK(recv(play.datagrams, message, sizeof(message), 0) == (ssize_t)sizeof(QUESTION));
    }
    AUTO_CLOSE one = guest(SOCK_DGRAM);
    CHECK(send(one, QUESTION, sizeof(QUESTION), 0) == (ssize_t)sizeof(QUESTION));
    resolve(&play, 'z');
    check_answer(&play, one, 'z');
    close_play(&play);
}

static void check_stream(int fd, uint8_t word) {
    uint8_t message[64];
    CHECK(recv(fd, message, sizeof(message), 0) == (ssize_t)sizeof(QUESTION) + 2);
    CHECK(message[0] == 0 && message[1] == sizeof(QUESTION) && message[14] == word);
}

/* Takes the resolver's next connection, and answers there. */
static void resolve_stream(struct play *play, uint8_t word) {
    uint8_t message[64];
    turn(&play->loop);
    AUTO_CLOSE connection = accept4(play->streams, NULL, NULL, SOCK_CLOEXEC);
    turn_until_readable(play, connection);
    CHECK(recv(connection, message, sizeof(message), 0) == (ssize_t)sizeof(QUESTION) + 2);
    message[14] = word;
    CHECK(send(connection, message, sizeof(QUESTION) + 2, MSG_NOSIGNAL) == (ssize_t)sizeof(QUESTION) + 2);
}

static void a_stream_has_one_question_after_the_other(void) {
    struct play play;
    uint8_t questions[2 * (sizeof(QUESTION) + 2)];
    for (int index = 0; index < 2; index++) {
        uint8_t *question = questions + index * (sizeof(QUESTION) + 2);
        question[0] = 0;
        question[1] = sizeof(QUESTION);
        memcpy(question + 2, QUESTION, sizeof(QUESTION));
    }
    open_play(&play);
    AUTO_CLOSE stream = guest(SOCK_STREAM);
    CHECK(send(stream, questions, 3, 0) == 3);
    turn(&play.loop);
    CHECK(send(stream, questions + 3, sizeof(questions) - 3, 0) == (ssize_t)sizeof(questions) - 3);
    resolve_stream(&play, 'a');
    turn_until_readable(&play, stream);
    check_stream(stream, 'a');
    resolve_stream(&play, 'b');
    turn_until_readable(&play, stream);
    check_stream(stream, 'b');
    close_play(&play);
}

static void connections_without_end_make_room_for_each_other(void) {
    struct play play;
    uint8_t byte;
    int streams[NAME_SERVER_CONNECTIONS + 2];
    open_play(&play);
    for (int index = 0; index < NAME_SERVER_CONNECTIONS + 2; index++) {
        streams[index] = guest(SOCK_STREAM);
        turn(&play.loop);
    }
    CHECK(recv(streams[0], &byte, 1, 0) == 0 && recv(streams[1], &byte, 1, 0) == 0);
    CHECK(recv(streams[2], &byte, 1, MSG_DONTWAIT) < 0);
    for (int index = 0; index < NAME_SERVER_CONNECTIONS + 2; index++) close(streams[index]);
    turn(&play.loop);
    close_play(&play);
}

static void a_stream_that_nobody_answers_ends(void) {
    struct play play;
    const uint8_t head[] = {0, sizeof(QUESTION)};
    uint8_t byte;
    open_play(&play);
    close(play.streams);
    play.streams = -1;
    AUTO_CLOSE stream = guest(SOCK_STREAM);
    CHECK(send(stream, head, sizeof(head), 0) == (ssize_t)sizeof(head));
    CHECK(send(stream, QUESTION, sizeof(QUESTION), 0) == (ssize_t)sizeof(QUESTION));
    turn_until_readable(&play, stream);
    CHECK(recv(stream, &byte, 1, 0) == 0);
    close_play(&play);
}

int main(void) {
    if (!enter_network()) {
        printf("left out: making a network namespace needs root\n");
        return 0;
    }
    each_datagram_is_answered_to_whoever_asked();
    questions_without_end_cost_no_more();
    a_stream_has_one_question_after_the_other();
    connections_without_end_make_room_for_each_other();
    a_stream_that_nobody_answers_ends();
    return 0;
}
