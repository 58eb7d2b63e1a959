#include "message.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FLAG_ANSWER 0x8000u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSION_DESIRED 0x0100u
#define FLAG_RECURSION_AVAILABLE 0x0080u
#define OPCODE(flags) (((flags) >> 11) & 0x0fu)

#define LABEL_MAX 63
#define OPT_RECORD 11
/* A pointer to the question's name, which begins behind the header. */
#define POINTER_TO_QUESTION (0xc000u | MESSAGE_HEADER)

static uint16_t read_u16(const uint8_t *at) {
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void write_u16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void write_u32(uint8_t *at, uint32_t value) {
    write_u16(at, (uint16_t)(value >> 16));
    write_u16(at + 2, (uint16_t)value);
}

uint16_t message_id(const uint8_t *message) {
    return read_u16(message);
}

void message_set_id(uint8_t *message, uint16_t id) {
    write_u16(message, id);
}

bool is_answer(const uint8_t *message, size_t length) {
    return length >= MESSAGE_HEADER && (read_u16(message + 2) & FLAG_ANSWER);
}

enum rcode message_rcode(const uint8_t *message) {
    return (enum rcode)(message[3] & 0x0f);
}

/* Reads the question's name at `*at` into lower-case text. A question has no compressed names. */
static bool read_name(const uint8_t *message, size_t length, size_t *at, struct question *question) {
    size_t used = 0;
    question->is_text = true;
    for (;;) {
        if (*at >= length) return false;
        size_t label = message[(*at)++];
        if (label == 0) break;
        if (label > LABEL_MAX || label > length - *at || used + label + 1 > NAME_TEXT_MAX) return false;
        if (used > 0) question->name[used++] = '.';
        for (size_t index = 0; index < label; index++) {
            uint8_t byte = message[*at + index];
            if (byte == '.' || byte == 0) question->is_text = false;
            question->name[used++] = (char)tolower(byte);
        }
        *at += label;
    }
    question->name[used] = 0;
    return true;
}

static bool skip_name(const uint8_t *message, size_t length, size_t *at) {
    while (*at < length) {
        size_t label = message[(*at)++];
        if (label == 0) return true;
        if ((label & 0xc0) == 0xc0) {
            (*at)++;
            return *at <= length;
        }
        if (label > LABEL_MAX) return false;
        *at += label;
    }
    return false;
}

/* Looks for the OPT record. What is broken behind the question is not ours to judge. */
static void read_edns(const uint8_t *message, size_t length, struct question *question) {
    size_t records = (size_t)read_u16(message + 6) + read_u16(message + 8) + read_u16(message + 10);
    size_t at = question->end;
    for (; records > 0; records--) {
        if (!skip_name(message, length, &at) || length - at < 10) return;
        if (read_u16(message + at) == TYPE_OPT) {
            size_t room = read_u16(message + at + 2);
            question->edns = true;
            question->udp_room = room < PLAIN_UDP_MAX ? PLAIN_UDP_MAX : room > EDNS_UDP_MAX ? EDNS_UDP_MAX : room;
            return;
        }
        size_t data = read_u16(message + at + 8);
        if (data > length - at - 10) return;
        at += 10 + data;
    }
}

enum question_result question_read(const uint8_t *message, size_t length, struct question *question) {
    if (length < MESSAGE_HEADER || is_answer(message, length)) return QUESTION_NONE;
    if (OPCODE(read_u16(message + 2)) != 0) return QUESTION_UNKNOWN;
    if (read_u16(message + 4) != 1) return QUESTION_BROKEN;
    size_t at = MESSAGE_HEADER;
    if (!read_name(message, length, &at, question) || length - at < 4) return QUESTION_BROKEN;
    question->type = read_u16(message + at);
    question->class = read_u16(message + at + 2);
    question->end = at + 4;
    question->edns = false;
    question->udp_room = PLAIN_UDP_MAX;
    read_edns(message, length, question);
    return QUESTION_WHOLE;
}

bool answers_query(const uint8_t *answer, size_t answer_length, const uint8_t *query, size_t query_length) {
    struct question asked;
    if (!is_answer(answer, answer_length) || message_id(answer) != message_id(query)) return false;
    if (question_read(query, query_length, &asked) != QUESTION_WHOLE) return false;
    /* A server that refuses may leave the question out. */
    if (read_u16(answer + 4) == 0) return message_rcode(answer) != RCODE_OK;
    if (read_u16(answer + 4) != 1 || answer_length < asked.end) return false;
    for (size_t at = MESSAGE_HEADER; at < asked.end; at++) {
        /* Labels' lengths are below 64, so that folding changes letters only; type and class come last. */
        bool same = at < asked.end - 4 ? tolower(answer[at]) == tolower(query[at]) : answer[at] == query[at];
        if (!same) return false;
    }
    return true;
}

static bool reverse_v4(const char *name, char *address, size_t size) {
    unsigned part[4];
    int end = 0;
    if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &part[0], &part[1], &part[2], &part[3], &end) != 4) return false;
    if (end == 0 || name[end] != 0) return false;
    for (size_t index = 0; index < 4; index++) {
        if (part[index] > 255) return false;
    }
    snprintf(address, size, "%u.%u.%u.%u", part[3], part[2], part[1], part[0]);
    return true;
}

/* 32 digits, each followed by a dot, the last one first. */
static bool reverse_v6(const char *name, char *address, size_t size) {
    uint8_t bytes[16] = {0};
    if (strlen(name) != 72 || strcmp(name + 64, "ip6.arpa") != 0) return false;
    for (size_t index = 0; index < 32; index++) {
        char digit = name[2 * index];
        if (!isxdigit((unsigned char)digit) || name[2 * index + 1] != '.') return false;
        unsigned value = (unsigned)(isdigit((unsigned char)digit) ? digit - '0' : digit - 'a' + 10);
        bytes[15 - index / 2] |= (uint8_t)(index % 2 ? value << 4 : value);
    }
    return inet_ntop(AF_INET6, bytes, address, (socklen_t)size) != NULL;
}

bool reverse_address(const char *name, char *address, size_t size) {
    return reverse_v4(name, address, size) || reverse_v6(name, address, size);
}

/* Room for `length` more bytes, with what the end needs kept free; NULL sets the truncation bit. */
static uint8_t *reply_reserve(struct reply *reply, size_t length) {
    size_t end = reply->edns ? OPT_RECORD : 0;
    if (reply->truncated || reply->limit - reply->length < length + end) {
        reply->truncated = true;
        return NULL;
    }
    uint8_t *at = reply->data + reply->length;
    reply->length += length;
    return at;
}

void reply_begin(struct reply *reply, uint8_t *data, size_t limit, const uint8_t *query,
                 const struct question *question, enum rcode rcode) {
    *reply = (struct reply){.data = data, .limit = limit, .edns = question && question->edns};
    uint16_t asked = read_u16(query + 2);
    uint16_t flags = (uint16_t)(FLAG_ANSWER | (asked & 0x7800u) | (asked & FLAG_RECURSION_DESIRED) |
                                FLAG_RECURSION_AVAILABLE | (unsigned)rcode);
    memset(data, 0, MESSAGE_HEADER);
    memcpy(data, query, 2);
    write_u16(data + 2, flags);
    reply->length = MESSAGE_HEADER;
    if (!question) return;
    write_u16(data + 4, 1);
    memcpy(data + MESSAGE_HEADER, query + MESSAGE_HEADER, question->end - MESSAGE_HEADER);
    reply->length = question->end;
}

/* The part of a record before its data; NULL when there is no room. */
static uint8_t *add_record(struct reply *reply, uint16_t type, uint32_t ttl, size_t length) {
    uint8_t *at = reply_reserve(reply, 12 + length);
    if (!at) return NULL;
    write_u16(at, POINTER_TO_QUESTION);
    write_u16(at + 2, type);
    write_u16(at + 4, CLASS_IN);
    write_u32(at + 6, ttl);
    write_u16(at + 10, (uint16_t)length);
    write_u16(reply->data + 6, (uint16_t)(read_u16(reply->data + 6) + 1));
    return at + 12;
}

void reply_add_address(struct reply *reply, uint16_t type, uint32_t ttl, const uint8_t *address, size_t length) {
    uint8_t *at = add_record(reply, type, ttl, length);
    if (at) memcpy(at, address, length);
}

/* As labels; 0 when the text is no name. */
static size_t encode_name(const char *text, uint8_t out[NAME_TEXT_MAX + 2]) {
    size_t used = 0;
    while (*text) {
        size_t label = strcspn(text, ".");
        if (label == 0 || label > LABEL_MAX || used + label + 2 > NAME_TEXT_MAX) return 0;
        out[used++] = (uint8_t)label;
        memcpy(out + used, text, label);
        used += label;
        text += label;
        if (*text == '.') text++;
    }
    out[used++] = 0;
    return used;
}

void reply_add_name(struct reply *reply, uint32_t ttl, const char *name) {
    uint8_t encoded[NAME_TEXT_MAX + 2];
    size_t length = encode_name(name, encoded);
    uint8_t *at = length > 0 ? add_record(reply, TYPE_PTR, ttl, length) : NULL;
    if (at) memcpy(at, encoded, length);
}

size_t reply_end(struct reply *reply) {
    if (reply->truncated) reply->data[2] |= FLAG_TRUNCATED >> 8;
    if (reply->edns) {
        uint8_t *at = reply->data + reply->length;
        memset(at, 0, OPT_RECORD);
        write_u16(at + 1, TYPE_OPT);
        write_u16(at + 3, EDNS_UDP_MAX);
        write_u16(reply->data + 10, 1);
        reply->length += OPT_RECORD;
    }
    return reply->length;
}
