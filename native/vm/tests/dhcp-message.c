/* DHCP as a client sees it: the messages are written as RFC 2131 says, and the answers read. */
#include "vm/dhcp-message.h"

#include <arpa/inet.h>
#include <string.h>

#include "testing/check.h"

static char INTERFACE[] = "eth0";
static char HOSTNAME[] = "one";
static char SHOP[] = "shop";
static char EXAMPLE[] = "example.org";
static char *SEARCH[] = {SHOP, EXAMPLE};
static const uint8_t MAC[MAC_BYTES] = {2, 0x42, 10, 0, 0, 2};

/* 10.0.0.2/16 behind 10.0.0.1, which answers. */
static struct lease lease_behind_router(void) {
    struct lease lease = {.interface = INTERFACE,
                          .address.s_addr = htonl(0x0a000002),
                          .prefix = 16,
                          .router.s_addr = htonl(0x0a000001),
                          .server.s_addr = htonl(0x0a000001),
                          .server_is_router = true,
                          .hostname = HOSTNAME,
                          .search = {SEARCH, 2}};
    memcpy(lease.mac, MAC, MAC_BYTES);
    return lease;
}

struct question {
    uint8_t message[600];
    size_t length;
};

static void begin(struct question *question, uint8_t type) {
    static const uint8_t COOKIE[] = {99, 130, 83, 99};
    *question = (struct question){.length = 240};
    question->message[0] = 1;
    question->message[1] = 1;
    question->message[2] = MAC_BYTES;
    memcpy(question->message + 4, "\xde\xad\xbe\xef", 4);
    memcpy(question->message + 28, MAC, MAC_BYTES);
    memcpy(question->message + 236, COOKIE, sizeof(COOKIE));
    question->message[question->length++] = 0; /* a pad */
    question->message[question->length++] = 53;
    question->message[question->length++] = 1;
    question->message[question->length++] = type;
}

static void add(struct question *question, uint8_t code, const void *value, uint8_t length) {
    question->message[question->length++] = code;
    question->message[question->length++] = length;
    memcpy(question->message + question->length, value, length);
    question->length += length;
}

static void add_address(struct question *question, uint8_t code, uint32_t address) {
    const uint32_t value = htonl(address);
    add(question, code, &value, sizeof(value));
}

static void set_client(struct question *question, uint32_t address) {
    const uint32_t value = htonl(address);
    memcpy(question->message + 12, &value, sizeof(value));
}

static bool ask(const struct lease *lease, struct question *question, struct dhcp_answer *answer) {
    struct dhcp_request request;
    question->message[question->length++] = 255;
    CHECK(dhcp_parse(question->message, question->length, &request));
    return dhcp_answer(lease, 1400, &request, answer);
}

/* An option's value; NULL: it is not there. */
static const uint8_t *option(const struct dhcp_answer *answer, uint8_t code, size_t *length) {
    size_t at = 240;
    while (at < answer->length && answer->message[at] != 255) {
        *length = answer->message[at + 1];
        CHECK(at + 2 + *length < answer->length);
        if (answer->message[at] == code) return answer->message + at + 2;
        at += 2 + *length;
    }
    CHECK(at < answer->length); /* it has an end */
    return NULL;
}

static bool has(const struct dhcp_answer *answer, uint8_t code, const void *value, size_t size) {
    size_t length;
    const uint8_t *is = option(answer, code, &length);
    return is && length == size && memcmp(is, value, size) == 0;
}

static bool lacks(const struct dhcp_answer *answer, uint8_t code) {
    size_t length;
    return option(answer, code, &length) == NULL;
}

static bool yields(const struct dhcp_answer *answer, uint32_t address) {
    const uint32_t value = htonl(address);
    return memcmp(answer->message + 16, &value, sizeof(value)) == 0;
}

static void a_discovery_is_offered_the_address_with_all_that_belongs_to_it(void) {
    const struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    begin(&question, DHCP_DISCOVER);
    CHECK(ask(&lease, &question, &answer));
    CHECK(answer.message[0] == 2 && memcmp(answer.message + 4, "\xde\xad\xbe\xef", 4) == 0);
    CHECK(memcmp(answer.message + 28, MAC, MAC_BYTES) == 0 && yields(&answer, 0x0a000002));
    CHECK(answer.to.s_addr == lease.address.s_addr && answer.length >= 300);
    CHECK(has(&answer, 53, "\x02", 1) && has(&answer, 54, "\x0a\0\0\x01", 4) && has(&answer, 51, "\0\0\x0e\x10", 4));
    CHECK(has(&answer, 1, "\xff\xff\0\0", 4) && has(&answer, 3, "\x0a\0\0\x01", 4) && has(&answer, 6, "\x0a\0\0\x01", 4));
    CHECK(has(&answer, 26, "\x05\x78", 2) && has(&answer, 12, "one", 3) && has(&answer, 15, "shop", 4));
    CHECK(has(&answer, 119, "\4shop\0\7example\3org", 6 + 13) && lacks(&answer, 121));
}

static void only_what_is_wanted_is_told(void) {
    const struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    begin(&question, DHCP_DISCOVER);
    add(&question, 55, "\x01\x03\x2a", 3);
    CHECK(ask(&lease, &question, &answer));
    CHECK(has(&answer, 1, "\xff\xff\0\0", 4) && has(&answer, 3, "\x0a\0\0\x01", 4));
    CHECK(lacks(&answer, 6) && lacks(&answer, 12) && lacks(&answer, 119) && lacks(&answer, 26));
}

static void who_cannot_hear_yet_is_answered_to_all(void) {
    const struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    begin(&question, DHCP_DISCOVER);
    question.message[10] = 0x80;
    CHECK(ask(&lease, &question, &answer));
    CHECK(answer.to.s_addr == htonl(INADDR_BROADCAST) && answer.message[10] == 0x80);
}

static void a_request_for_the_address_is_granted_and_another_refused(void) {
    const struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    begin(&question, DHCP_REQUEST); /* what was offered */
    add_address(&question, 54, 0x0a000001);
    add_address(&question, 50, 0x0a000002);
    CHECK(ask(&lease, &question, &answer) && has(&answer, 53, "\x05", 1) && yields(&answer, 0x0a000002));
    begin(&question, DHCP_REQUEST); /* after a restart */
    add_address(&question, 50, 0x0a000002);
    CHECK(ask(&lease, &question, &answer) && has(&answer, 53, "\x05", 1));
    begin(&question, DHCP_REQUEST); /* again, in time */
    set_client(&question, 0x0a000002);
    question.message[10] = 0x80;
    CHECK(ask(&lease, &question, &answer) && has(&answer, 53, "\x05", 1) && answer.to.s_addr == lease.address.s_addr);
    begin(&question, DHCP_REQUEST); /* what it had elsewhere */
    add_address(&question, 50, 0xc0a80002);
    CHECK(ask(&lease, &question, &answer) && has(&answer, 53, "\x06", 1) && yields(&answer, 0));
    CHECK(answer.to.s_addr == htonl(INADDR_BROADCAST) && lacks(&answer, 1) && lacks(&answer, 51));
}

static void a_client_with_its_address_is_told_the_rest(void) {
    const struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    begin(&question, DHCP_INFORM);
    set_client(&question, 0x0a000002);
    CHECK(ask(&lease, &question, &answer) && has(&answer, 53, "\x05", 1) && has(&answer, 6, "\x0a\0\0\x01", 4));
    CHECK(yields(&answer, 0) && lacks(&answer, 51) && answer.to.s_addr == lease.address.s_addr);
}

static void others_are_not_answered(void) {
    const struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    begin(&question, DHCP_DISCOVER);
    question.message[33] = 3; /* another card */
    CHECK(!ask(&lease, &question, &answer));
    begin(&question, DHCP_REQUEST);
    add_address(&question, 54, 0x0a000009); /* another server */
    add_address(&question, 50, 0x0a000002);
    CHECK(!ask(&lease, &question, &answer));
    begin(&question, DHCP_INFORM);
    set_client(&question, 0x0a000003);
    CHECK(!ask(&lease, &question, &answer));
    static const uint8_t SILENT[] = {DHCP_OFFER, DHCP_DECLINE, DHCP_ACK, DHCP_NAK, DHCP_RELEASE, 99};
    for (size_t index = 0; index < sizeof(SILENT); index++) {
        begin(&question, SILENT[index]);
        CHECK(!ask(&lease, &question, &answer));
    }
}

static void a_server_of_its_own_is_told_the_way_to(void) {
    struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    lease.server.s_addr = htonl(0xa9fe0101);
    lease.server_is_router = false;
    begin(&question, DHCP_DISCOVER);
    CHECK(ask(&lease, &question, &answer) && has(&answer, 6, "\xa9\xfe\1\1", 4));
    CHECK(has(&answer, 121, "\x20\xa9\xfe\1\1\0\0\0\0\0\x0a\0\0\1", 14));
    lease.router.s_addr = 0;
    begin(&question, DHCP_DISCOVER);
    CHECK(ask(&lease, &question, &answer) && lacks(&answer, 3));
    CHECK(has(&answer, 121, "\x20\xa9\xfe\1\1\0\0\0\0", 9));
}

/* Names that are longer than what they are told in are left out, and never cut. */
static void what_has_no_room_is_left_out(void) {
    static char LONG[300];
    static char *LONG_SEARCH[] = {LONG, SHOP};
    struct lease lease = lease_behind_router();
    struct question question;
    struct dhcp_answer answer;
    memset(LONG, 'x', sizeof(LONG) - 1);
    lease.hostname = LONG;
    lease.search = (struct texts){LONG_SEARCH, 2};
    begin(&question, DHCP_DISCOVER);
    add(&question, 57, "\xff\xff", 2);
    CHECK(ask(&lease, &question, &answer) && lacks(&answer, 12) && lacks(&answer, 15));
    CHECK(has(&answer, 119, "\4shop", 6));
    CHECK(answer.length <= DHCP_MESSAGE_MAX);
}

static void broken_messages_are_nothing(void) {
    struct question question;
    struct dhcp_request request;
    begin(&question, DHCP_DISCOVER);
    for (size_t length = 0; length < question.length; length++) {
        CHECK(!dhcp_parse(question.message, length, &request));
    }
    CHECK(dhcp_parse(question.message, question.length, &request)); /* without an end */
    question.message[question.length] = 50;
    question.message[question.length + 1] = 4;
    CHECK(dhcp_parse(question.message, question.length + 4, &request) && request.requested.s_addr == 0);
    static const size_t BROKEN[] = {0, 1, 2, 24, 236}; /* operation, hardware, its length, a relay, the cookie */
    for (size_t index = 0; index < sizeof(BROKEN) / sizeof(*BROKEN); index++) {
        begin(&question, DHCP_DISCOVER);
        question.message[BROKEN[index]] ^= 0x40;
        CHECK(!dhcp_parse(question.message, question.length, &request));
    }
}

int main(void) {
    a_discovery_is_offered_the_address_with_all_that_belongs_to_it();
    only_what_is_wanted_is_told();
    who_cannot_hear_yet_is_answered_to_all();
    a_request_for_the_address_is_granted_and_another_refused();
    a_client_with_its_address_is_told_the_rest();
    others_are_not_answered();
    a_server_of_its_own_is_told_the_way_to();
    what_has_no_room_is_left_out();
    broken_messages_are_nothing();
    return 0;
}
