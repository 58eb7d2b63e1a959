/* Makes queries for tests. */
#ifndef BERTH_RESOLVER_TESTS_QUERY_H
#define BERTH_RESOLVER_TESTS_QUERY_H

#include <stdint.h>
#include <string.h>

/* A query with recursion desired; `edns_room` of 0: without EDNS. Its length. */
static inline size_t make_query(uint8_t *out, const char *name, uint16_t type, uint16_t edns_room) {
    static const uint8_t HEAD[] = {0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0};
    memcpy(out, HEAD, sizeof(HEAD));
    size_t at = sizeof(HEAD);
    while (*name) {
        size_t label = strcspn(name, ".");
        out[at++] = (uint8_t)label;
        memcpy(out + at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    const uint8_t end[] = {0, (uint8_t)(type >> 8), (uint8_t)type, 0, 1};
    memcpy(out + at, end, sizeof(end));
    at += sizeof(end);
    if (edns_room == 0) return at;
    const uint8_t opt[] = {0, 0, 41, (uint8_t)(edns_room >> 8), (uint8_t)edns_room, 0, 0, 0, 0, 0, 0};
    memcpy(out + at, opt, sizeof(opt));
    out[11] = 1;
    return at + sizeof(opt);
}

#endif
