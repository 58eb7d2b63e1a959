/* Questions are read as they were asked, answers are written as RFC 1035 has them. */
#include "resolver/message.h"

#include <string.h>

#include "query.h"
#include "testing/check.h"

static uint8_t query[512];
static uint8_t data[512];

static void a_question_is_read_in_lower_case(void) {
    struct question question;
    size_t length = make_query(query, "WEB.Shop", TYPE_A, 0);
    CHECK(question_read(query, length, &question) == QUESTION_WHOLE);
    CHECK(strcmp(question.name, "web.shop") == 0 && question.is_text);
    CHECK(question.type == TYPE_A && question.class == CLASS_IN && question.end == length);
    CHECK(!question.edns && question.udp_room == PLAIN_UDP_MAX);
}

static void the_root_is_a_name_too(void) {
    struct question question;
    size_t length = make_query(query, "", 2, 0);
    CHECK(question_read(query, length, &question) == QUESTION_WHOLE);
    CHECK(question.name[0] == 0);
}

static void edns_says_how_much_fits(void) {
    struct question question;
    CHECK(question_read(query, make_query(query, "web", TYPE_A, 900), &question) == QUESTION_WHOLE);
    CHECK(question.edns && question.udp_room == 900);
    CHECK(question_read(query, make_query(query, "web", TYPE_A, 100), &question) == QUESTION_WHOLE);
    CHECK(question.udp_room == PLAIN_UDP_MAX);
    CHECK(question_read(query, make_query(query, "web", TYPE_A, 65535), &question) == QUESTION_WHOLE);
    CHECK(question.udp_room == EDNS_UDP_MAX);
}

static void what_is_no_question_is_told_apart(void) {
    struct question question;
    size_t length = make_query(query, "web", TYPE_A, 0);
    CHECK(question_read(query, MESSAGE_HEADER - 1, &question) == QUESTION_NONE);
    for (size_t cut = MESSAGE_HEADER; cut < length; cut++) {
        CHECK(question_read(query, cut, &question) == QUESTION_BROKEN);
    }
    query[2] |= 0x80;
    CHECK(question_read(query, length, &question) == QUESTION_NONE);
    query[2] = 0x29; /* an update (RFC 2136) */
    CHECK(question_read(query, length, &question) == QUESTION_UNKNOWN);
    query[2] = 1;
    query[5] = 2; /* two questions */
    CHECK(question_read(query, length, &question) == QUESTION_BROKEN);
    query[5] = 1;
    query[MESSAGE_HEADER] = 0xc0; /* a pointer */
    CHECK(question_read(query, length, &question) == QUESTION_BROKEN);
}

static void a_label_with_a_dot_is_no_name_of_ours(void) {
    struct question question;
    size_t length = make_query(query, "aXb", TYPE_A, 0);
    query[MESSAGE_HEADER + 2] = '.';
    CHECK(question_read(query, length, &question) == QUESTION_WHOLE);
    CHECK(!question.is_text);
}

static void an_answer_repeats_the_question_and_carries_addresses(void) {
    static const uint8_t ADDRESS[] = {10, 0, 0, 7};
    struct question question;
    struct reply reply;
    question_read(query, make_query(query, "Web", TYPE_A, 1232), &question);
    reply_begin(&reply, data, sizeof(data), query, &question, RCODE_OK);
    reply_add_address(&reply, TYPE_A, 600, ADDRESS, sizeof(ADDRESS));
    size_t length = reply_end(&reply);
    CHECK(length == question.end + 16 + 11);
    CHECK(data[2] == 0x81 && data[3] == 0x80); /* answer, recursion desired and available */
    CHECK(data[5] == 1 && data[7] == 1 && data[11] == 1);
    CHECK(memcmp(data + MESSAGE_HEADER, query + MESSAGE_HEADER, question.end - MESSAGE_HEADER) == 0);
    CHECK(memcmp(data + question.end, "\xc0\x0c\0\1\0\1\0\0\x02\x58\0\4\x0a\0\0\7", 16) == 0);
    CHECK(answers_query(data, length, query, make_query(query, "Web", TYPE_A, 1232)));
}

static void what_does_not_fit_is_told(void) {
    static const uint8_t ADDRESS[] = {10, 0, 0, 7};
    struct question question;
    struct reply reply;
    question_read(query, make_query(query, "web", TYPE_A, 0), &question);
    reply_begin(&reply, data, sizeof(data), query, &question, RCODE_OK);
    for (int count = 0; count < 100; count++) reply_add_address(&reply, TYPE_A, 600, ADDRESS, sizeof(ADDRESS));
    CHECK(reply_end(&reply) <= sizeof(data));
    CHECK(reply.truncated && (data[2] & 0x02));
    CHECK(data[7] == (sizeof(data) - question.end) / 16);
}

static void only_the_answer_to_the_query_is_taken(void) {
    uint8_t other[512];
    size_t length = make_query(query, "web.example", TYPE_A, 0);
    memcpy(data, query, length);
    data[2] |= 0x80;
    CHECK(answers_query(data, length, query, length));
    data[MESSAGE_HEADER + 1] = 'W';
    CHECK(answers_query(data, length, query, length));
    data[0] ^= 1;
    CHECK(!answers_query(data, length, query, length));
    data[0] ^= 1;
    data[length - 3] ^= 1; /* another type */
    CHECK(!answers_query(data, length, query, length));
    size_t other_length = make_query(other, "wab.example", TYPE_A, 0);
    other[2] |= 0x80;
    CHECK(!answers_query(other, other_length, query, length));
    CHECK(!answers_query(query, length, query, length));
}

static void reverse_names_are_addresses(void) {
    char address[64];
    CHECK(reverse_address("7.0.0.10.in-addr.arpa", address, sizeof(address)) && strcmp(address, "10.0.0.7") == 0);
    CHECK(reverse_address("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", address,
                          sizeof(address)));
    CHECK(strcmp(address, "fd00::1") == 0);
    CHECK(!reverse_address("256.0.0.10.in-addr.arpa", address, sizeof(address)));
    CHECK(!reverse_address("7.0.0.10.in-addr.arpa.x", address, sizeof(address)));
    CHECK(!reverse_address("0.0.10.in-addr.arpa", address, sizeof(address)));
    CHECK(!reverse_address("web", address, sizeof(address)));
}

int main(void) {
    a_question_is_read_in_lower_case();
    the_root_is_a_name_too();
    edns_says_how_much_fits();
    what_is_no_question_is_told_apart();
    a_label_with_a_dot_is_no_name_of_ours();
    an_answer_repeats_the_question_and_carries_addresses();
    what_does_not_fit_is_told();
    only_the_answer_to_the_query_is_taken();
    reverse_names_are_addresses();
    return 0;
}
