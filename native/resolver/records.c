#include "records.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4
#define FIRST_LINE "berth-names 1"

bool address_parse(const char *text, struct address *address) {
    memset(address, 0, sizeof(*address));
    address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(address->family, text, address->bytes) == 1;
}

size_t address_length(const struct address *address) {
    return address->family == AF_INET ? 4 : 16;
}

static int compare_addresses(const struct address *a, const struct address *b) {
    return a->family != b->family ? a->family - b->family : memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct record *)a)->name, ((const struct record *)b)->name);
}

static int by_address(const void *a, const void *b) {
    return compare_addresses(&((const struct record *)a)->address, &((const struct record *)b)->address);
}

static char *lower(char *word) {
    for (char *at = word; *at; at++) *at = (char)tolower((unsigned char)*at);
    return word;
}

/* One line as words between single spaces. */
struct words {
    char *items[WORDS_MAX];
    size_t count;
};

static bool split_words(char *line, struct words *words) {
    words->count = 0;
    for (char *word = strtok_r(line, " ", &line); word; word = strtok_r(NULL, " ", &line)) {
        if (words->count == WORDS_MAX) return false;
        words->items[words->count++] = word;
    }
    return words->count > 0;
}

/* Whether the line is this word with that many behind it. */
static bool is_line(const struct words *words, const char *first, size_t count) {
    return words->count == count + 1 && strcmp(words->items[0], first) == 0;
}

/* A copy that lines can be cut out of; NULL when it is no text that ends with a line. */
static char *text_of(const char *data, size_t length) {
    if (length == 0 || length > RECORDS_MAX || data[length - 1] != '\n' || memchr(data, 0, length)) return NULL;
    char *text = malloc(length + 1);
    if (!text) return NULL;
    memcpy(text, data, length);
    text[length] = 0;
    return text;
}

static char *next_line(char **rest) {
    char *line = *rest;
    char *end = strchr(line, '\n');
    if (!end) return NULL;
    *end = 0;
    *rest = end + 1;
    return line;
}

/* Gives each line between the first and the last to `take`. */
static int parse_lines(char *text, int (*take)(void *context, const struct words *words), void *context) {
    char *rest = text;
    char *line = next_line(&rest);
    if (!line || strcmp(line, FIRST_LINE) != 0) return -1;
    while ((line = next_line(&rest))) {
        if (strcmp(line, "end") == 0) return *rest ? -1 : 0;
        struct words words;
        if (!split_words(line, &words) || take(context, &words) < 0) return -1;
    }
    return -1;
}

/* A bigger array; doubling, so that many lines stay cheap. */
static void *grown(void *items, size_t count, size_t size) {
    if (count & (count - 1)) return items; /* doubled at powers of two, counted from 1 */
    return realloc(items, (count ? 2 * count : 1) * size);
}

static int add_record(struct record **records, size_t *count, const char *name, const char *address) {
    struct record *bigger = grown(*records, *count, sizeof(**records));
    if (!bigger) return -1;
    *records = bigger;
    struct record *record = &bigger[(*count)++];
    record->name = name;
    return address_parse(address, &record->address) ? 0 : -1;
}

static int take_network_line(void *context, const struct words *words) {
    struct network_names *names = context;
    if (is_line(words, "network", 1) && !names->network) {
        names->network = lower(words->items[1]);
        return 0;
    }
    if (is_line(words, "host", 2)) {
        return add_record(&names->hosts, &names->host_count, words->items[2], words->items[1]);
    }
    if (is_line(words, "name", 2)) {
        return add_record(&names->names, &names->name_count, lower(words->items[1]), words->items[2]);
    }
    return -1;
}

int network_names_parse(const char *data, size_t length, struct network_names *names) {
    *names = (struct network_names){.text = text_of(data, length)};
    if (!names->text || parse_lines(names->text, take_network_line, names) < 0 || !names->network) return -1;
    if (names->name_count) qsort(names->names, names->name_count, sizeof(*names->names), by_name);
    if (names->host_count) qsort(names->hosts, names->host_count, sizeof(*names->hosts), by_address);
    return 0;
}

/* It becomes a part of a file's name. */
static bool is_network_id(const char *text) {
    size_t length = strlen(text);
    return length > 0 && length <= NETWORK_ID_MAX && strspn(text, "0123456789abcdef") == length;
}

static int add_network(struct sandbox_view *view, const char *id) {
    const char **bigger = grown(view->networks, view->network_count, sizeof(*bigger));
    if (!bigger) return -1;
    view->networks = bigger;
    view->networks[view->network_count++] = id;
    return is_network_id(id) ? 0 : -1;
}

static int add_link(struct sandbox_view *view, const struct words *words) {
    struct link *bigger = grown(view->links, view->link_count, sizeof(*bigger));
    if (!bigger) return -1;
    view->links = bigger;
    view->links[view->link_count++] = (struct link){
        .network = words->items[1], .name = lower(words->items[2]), .target = lower(words->items[3])};
    return 0;
}

static int add_domain(struct sandbox_view *view, char *domain) {
    const char **bigger = grown(view->domains, view->domain_count, sizeof(*bigger));
    if (!bigger) return -1;
    view->domains = bigger;
    view->domains[view->domain_count++] = lower(domain);
    return 0;
}

static int take_sandbox_line(void *context, const struct words *words) {
    struct sandbox_view *view = context;
    if (is_line(words, "network", 1)) return add_network(view, words->items[1]);
    if (is_line(words, "link", 3)) return add_link(view, words);
    if (is_line(words, "search", 1)) return add_domain(view, words->items[1]);
    if (is_line(words, "forward", 0)) {
        view->forward = true;
        return 0;
    }
    if (is_line(words, "server", 1) && view->server_count < SERVERS_MAX) {
        return address_parse(words->items[1], &view->servers[view->server_count++]) ? 0 : -1;
    }
    return -1;
}

int sandbox_view_parse(const char *data, size_t length, struct sandbox_view *view) {
    *view = (struct sandbox_view){.text = text_of(data, length)};
    return view->text ? parse_lines(view->text, take_sandbox_line, view) : -1;
}

void network_names_free(struct network_names *names) {
    free(names->text);
    free(names->names);
    free(names->hosts);
    *names = (struct network_names){0};
}

void sandbox_view_free(struct sandbox_view *view) {
    free(view->text);
    free(view->networks);
    free(view->links);
    free(view->domains);
    *view = (struct sandbox_view){0};
}

const struct record *network_names_find(const struct network_names *names, const char *name, size_t *count) {
    *count = 0;
    if (names->name_count == 0) return NULL;
    const struct record key = {.name = name};
    const struct record *found = bsearch(&key, names->names, names->name_count, sizeof(key), by_name);
    if (!found) return NULL;
    const struct record *end = names->names + names->name_count;
    while (found > names->names && strcmp(found[-1].name, name) == 0) found--;
    while (found + *count < end && strcmp(found[*count].name, name) == 0) (*count)++;
    return found;
}

const char *network_names_reverse(const struct network_names *names, const struct address *address) {
    if (names->host_count == 0) return NULL;
    const struct record key = {.address = *address};
    const struct record *found = bsearch(&key, names->hosts, names->host_count, sizeof(key), by_address);
    return found ? found->name : NULL;
}

size_t resolv_conf_servers(const char *data, size_t length, struct address servers[SERVERS_MAX]) {
    size_t count = 0;
    char *text = text_of(data, length);
    if (!text) return 0;
    char *rest = text;
    for (char *line; count < SERVERS_MAX && (line = next_line(&rest));) {
        const char *key = strtok_r(line, " \t", &line);
        const char *value = key ? strtok_r(NULL, " \t", &line) : NULL;
        if (!value || strcmp(key, "nameserver") != 0) continue;
        if (address_parse(value, &servers[count])) count++; /* one with a zone ("fe80::1%eth0") is left out */
    }
    free(text);
    return count;
}
