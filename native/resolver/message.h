/* DNS messages (RFC 1035, RFC 6891): reading a question, writing an answer. */
#ifndef BERTH_RESOLVER_MESSAGE_H
#define BERTH_RESOLVER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_HEADER 12
#define MESSAGE_MAX 65535
/* What fits without EDNS, and what we take with it: no fragments on any path (dnsflagday.net/2020). */
#define PLAIN_UDP_MAX 512
#define EDNS_UDP_MAX 1232
#define NAME_TEXT_MAX 255

enum record_type { TYPE_A = 1, TYPE_PTR = 12, TYPE_AAAA = 28, TYPE_OPT = 41 };
enum { CLASS_IN = 1 };

enum rcode {
    RCODE_OK = 0,
    RCODE_FORMAT = 1,
    RCODE_SERVER_FAILURE = 2,
    RCODE_NOT_IMPLEMENTED = 4,
    RCODE_REFUSED = 5,
};

struct question {
    char name[NAME_TEXT_MAX + 1]; /* lower case, dots between labels, none at the end */
    bool is_text;                 /* false: a label holds a dot or a zero byte, so that no name of ours can be meant */
    uint16_t type;
    uint16_t class;
    size_t end; /* of the question section */
    bool edns;
    size_t udp_room; /* for an answer by UDP */
};

enum question_result {
    QUESTION_WHOLE,
    QUESTION_BROKEN,  /* answer with RCODE_FORMAT */
    QUESTION_UNKNOWN, /* not a plain query: RCODE_NOT_IMPLEMENTED */
    QUESTION_NONE,    /* too short, or an answer: say nothing */
};

enum question_result question_read(const uint8_t *message, size_t length, struct question *question);

/* Whether `answer` answers the query: same id, and the same question whatever the case of its letters. */
bool answers_query(const uint8_t *answer, size_t answer_length, const uint8_t *query, size_t query_length);

bool is_answer(const uint8_t *message, size_t length);
enum rcode message_rcode(const uint8_t *message);
uint16_t message_id(const uint8_t *message);
void message_set_id(uint8_t *message, uint16_t id);

/* The address that an in-addr.arpa or ip6.arpa name stands for, as text (INET6_ADDRSTRLEN); false: it is none. */
bool reverse_address(const char *name, char *address, size_t size);

/* An answer under construction, in memory of the caller. */
struct reply {
    uint8_t *data;
    size_t length;
    size_t limit;
    bool edns;
    bool truncated;
};

/* Begins the answer to a query of which at least the header is there; `question` is NULL when it could not be read. */
void reply_begin(struct reply *reply, uint8_t *data, size_t limit, const uint8_t *query,
                 const struct question *question, enum rcode rcode);

/* Adds an A or AAAA record; what does not fit sets the truncation bit. */
void reply_add_address(struct reply *reply, uint16_t type, uint32_t ttl, const uint8_t *address, size_t length);

/* Adds a PTR record. */
void reply_add_name(struct reply *reply, uint32_t ttl, const char *name);

/* The whole length. */
size_t reply_end(struct reply *reply);

#endif
