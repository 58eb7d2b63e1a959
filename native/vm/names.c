#include "names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"

#define NAME_SERVER 0x7f00000bu /* 127.0.0.11 */
#define DNS_PORT 53
#define DNS_HEADER 12

static int connect_to_server(int type) {
    const struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(DNS_PORT), .sin_addr.s_addr = htonl(NAME_SERVER)};
    AUTO_CLOSE fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS) return -1;
    return take_fd(&fd);
}

static void answer_nothing(struct names *names, uint16_t guest_id) {
    names->answer(names, guest_id, NULL, 0);
}

static void write_id(uint8_t *message, uint16_t id) {
    message[0] = (uint8_t)(id >> 8);
    message[1] = (uint8_t)id;
}

/* ---- by UDP: one socket for all, so each question gets a number of ours in place of its own ---- */

static void give_up_datagrams(struct names *names) {
    for (size_t index = 0; index < NAMES_BY_UDP; index++) {
        struct datagram_question *question = &names->by_udp[index];
        if (!question->waits) continue;
        question->waits = false;
        answer_nothing(names, question->guest_id);
    }
}

static void on_datagram(struct watch *watch, uint32_t events) {
    (void)events;
    static uint8_t message[UINT16_MAX];
    struct names *names = container_of(watch, struct names, datagrams);
    ssize_t length = RETRY(recv(watch->fd, message, sizeof(message), 0));
    if (length < 0 && errno != EAGAIN) give_up_datagrams(names); /* nobody serves there */
    if (length < DNS_HEADER) return;
    size_t index = (size_t)message[0] << 8 | message[1];
    if (index >= NAMES_BY_UDP || !names->by_udp[index].waits) return;
    struct datagram_question *question = &names->by_udp[index];
    question->waits = false;
    write_id(message, question->message_id);
    names->answer(names, question->guest_id, message, (size_t)length);
}

static void ask_by_udp(struct names *names, uint16_t guest_id, const uint8_t *message, size_t length) {
    static uint8_t copy[UINT16_MAX];
    size_t index = names->next_datagram;
    struct datagram_question *question = &names->by_udp[index];
    names->next_datagram = (index + 1) % NAMES_BY_UDP;
    if (question->waits) answer_nothing(names, question->guest_id);
    *question = (struct datagram_question){
        .waits = true, .guest_id = guest_id, .message_id = (uint16_t)(message[0] << 8 | message[1])};
    memcpy(copy, message, length);
    write_id(copy, (uint16_t)index);
    if (send(names->datagrams.fd, copy, length, MSG_NOSIGNAL) >= 0) return;
    question->waits = false;
    answer_nothing(names, guest_id);
}

/* ---- by TCP: a connection each ---- */

static void end_stream(struct stream_question *question) {
    loop_close(question->names->loop, &question->watch);
    buffer_free(&question->data);
}

static void give_up_stream(struct stream_question *question) {
    uint16_t guest_id = question->guest_id;
    end_stream(question);
    answer_nothing(question->names, guest_id);
}

static void send_more(struct stream_question *question) {
    ssize_t count = RETRY(send(question->watch.fd, question->data.data, question->data.length, MSG_NOSIGNAL));
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) {
        give_up_stream(question);
        return;
    }
    buffer_consume(&question->data, (size_t)count);
    if (question->data.length > 0) return;
    question->sent = true;
    loop_watch(question->names->loop, &question->watch, EPOLLIN);
}

static void receive_more(struct stream_question *question) {
    uint8_t *room = buffer_reserve(&question->data, 4096);
    ssize_t count = room ? RETRY(recv(question->watch.fd, room, 4096, 0)) : 0;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        give_up_stream(question);
        return;
    }
    question->data.length += (size_t)count;
    if (question->data.length < 2) return;
    size_t length = (size_t)question->data.data[0] << 8 | question->data.data[1];
    if (question->data.length < 2 + length) return;
    question->names->answer(question->names, question->guest_id, question->data.data + 2, length);
    end_stream(question);
}

static void on_stream(struct watch *watch, uint32_t events) {
    (void)events;
    struct stream_question *question = container_of(watch, struct stream_question, watch);
    if (question->sent) receive_more(question);
    else send_more(question);
}

static void ask_by_tcp(struct names *names, uint16_t guest_id, const uint8_t *message, size_t length) {
    struct stream_question *question = &names->by_tcp[names->next_stream];
    const uint8_t head[] = {(uint8_t)(length >> 8), (uint8_t)length};
    names->next_stream = (names->next_stream + 1) % NAMES_BY_TCP;
    if (question->watch.fd >= 0) give_up_stream(question);
    *question = (struct stream_question){.watch = {.fd = connect_to_server(SOCK_STREAM), .ready = on_stream},
                                         .names = names,
                                         .guest_id = guest_id};
    if (question->watch.fd < 0 || buffer_append(&question->data, head, sizeof(head)) < 0 ||
        buffer_append(&question->data, message, length) < 0 ||
        loop_watch(names->loop, &question->watch, EPOLLOUT) < 0) {
        give_up_stream(question);
    }
}

/* ---- both ---- */

void names_open(struct names *names, struct loop *loop,
                void (*answer)(struct names *names, uint16_t guest_id, const uint8_t *message, size_t length)) {
    *names = (struct names){.loop = loop, .answer = answer};
    for (size_t index = 0; index < NAMES_BY_TCP; index++) {
        names->by_tcp[index] = (struct stream_question){.watch = {.fd = -1}, .names = names};
    }
    names->datagrams = (struct watch){.fd = connect_to_server(SOCK_DGRAM), .ready = on_datagram};
    if (names->datagrams.fd >= 0 && loop_watch(loop, &names->datagrams, EPOLLIN) < 0) {
        loop_close(loop, &names->datagrams);
    }
}

void names_ask(struct names *names, uint16_t guest_id, bool by_tcp, const uint8_t *message, size_t length) {
    if (length < DNS_HEADER || length > UINT16_MAX) answer_nothing(names, guest_id);
    else if (by_tcp) ask_by_tcp(names, guest_id, message, length);
    else if (names->datagrams.fd < 0) answer_nothing(names, guest_id);
    else ask_by_udp(names, guest_id, message, length);
}

void names_close(struct names *names) {
    loop_close(names->loop, &names->datagrams);
    for (size_t index = 0; index < NAMES_BY_TCP; index++) end_stream(&names->by_tcp[index]);
}
