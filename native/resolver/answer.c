#include "answer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct found {
    const struct record *records;
    size_t count;
};

/* What the sandbox itself calls another container of that network (--link). */
static const char *linked(const struct sandbox_view *view, const char *network, const char *name) {
    for (size_t index = 0; index < view->link_count; index++) {
        const struct link *link = &view->links[index];
        if (strcmp(link->network, network) == 0 && strcmp(link->name, name) == 0) return link->target;
    }
    return NULL;
}

static struct found find_in(const struct answer_source *source, size_t index, const char *name) {
    const struct network_names *names = source->networks[index];
    struct found found = {0};
    if (!names) return found;
    const char *target = linked(source->view, source->view->networks[index], name);
    if (target) found.records = network_names_find(names, target, &found.count);
    if (!found.records) found.records = network_names_find(names, name, &found.count);
    return found;
}

/* Whether `name` ends with a dot and the domain; `bare` is what comes before. */
static bool strip_domain(const char *name, const char *domain, char bare[NAME_TEXT_MAX + 1]) {
    size_t length = strlen(name);
    size_t suffix = strlen(domain);
    if (length < suffix + 2 || strcmp(name + length - suffix, domain) != 0) return false;
    size_t end = length - suffix - 1;
    if (name[end] != '.') return false;
    memcpy(bare, name, end);
    bare[end] = 0;
    return true;
}

static struct found find_in_all(const struct answer_source *source, const char *name) {
    struct found found = {0};
    size_t count = source->view->network_count;
    for (size_t index = 0; index < count && !found.records; index++) found = find_in(source, index, name);
    return found;
}

/*
 * The first network that knows the name answers; then the first that is named behind it ("web.shop"); then the first that knows
 * what a search domain was put behind ("web.example.org").
 */
static struct found find(const struct answer_source *source, const char *name) {
    const struct sandbox_view *view = source->view;
    struct found found = find_in_all(source, name);
    size_t count = view->network_count;
    for (size_t index = 0; index < count && !found.records; index++) {
        char bare[NAME_TEXT_MAX + 1];
        const struct network_names *names = source->networks[index];
        if (names && strip_domain(name, names->network, bare)) found = find_in(source, index, bare);
    }
    for (size_t index = 0; index < view->domain_count && !found.records; index++) {
        char bare[NAME_TEXT_MAX + 1];
        if (strip_domain(name, view->domains[index], bare) && !strchr(bare, '.')) found = find_in_all(source, bare);
    }
    return found;
}

static void add_addresses(struct reply *reply, const struct found *found, uint16_t type, uint32_t turn) {
    int family = type == TYPE_A ? AF_INET : AF_INET6;
    for (size_t step = 0; step < found->count; step++) {
        const struct address *address = &found->records[(step + turn) % found->count].address;
        if (address->family != family) continue;
        reply_add_address(reply, type, ANSWER_TTL, address->bytes, address_length(address));
    }
}

/* "web.shop" for an address of a container in one of the sandbox's networks. */
static bool find_title(const struct answer_source *source, const char *name, char title[NAME_TEXT_MAX + 1]) {
    char text[INET6_ADDRSTRLEN];
    struct address address;
    if (!reverse_address(name, text, sizeof(text)) || !address_parse(text, &address)) return false;
    for (size_t index = 0; index < source->view->network_count; index++) {
        const struct network_names *names = source->networks[index];
        const char *host = names ? network_names_reverse(names, &address) : NULL;
        if (!host) continue;
        int length = snprintf(title, NAME_TEXT_MAX + 1, "%s.%s", host, names->network);
        return length > 0 && length <= NAME_TEXT_MAX;
    }
    return false;
}

enum answer_kind answer(const struct answer_source *source, const uint8_t *query, const struct question *question,
                        uint32_t turn, uint8_t *data, size_t limit, struct reply *reply) {
    if (question->class == CLASS_IN && question->is_text) {
        char title[NAME_TEXT_MAX + 1];
        struct found found = find(source, question->name);
        if (found.records) {
            /* Any other type than an address has no data: that is not "no such name". */
            reply_begin(reply, data, limit, query, question, RCODE_OK);
            if (question->type == TYPE_A || question->type == TYPE_AAAA) {
                add_addresses(reply, &found, question->type, turn);
            }
            return ANSWER_GIVEN;
        }
        if (question->type == TYPE_PTR && find_title(source, question->name, title)) {
            reply_begin(reply, data, limit, query, question, RCODE_OK);
            reply_add_name(reply, ANSWER_TTL, title);
            return ANSWER_GIVEN;
        }
    }
    if (source->view->forward) return ANSWER_FORWARD;
    reply_begin(reply, data, limit, query, question, RCODE_SERVER_FAILURE);
    return ANSWER_GIVEN;
}
