/* Any bytes as each of the files that the resolver reads; noise between true words reaches further than noise alone. */
#include <stdlib.h>
#include <string.h>

#include "resolver/records.h"

static const char *const WORDS[] = {"berth-names 1\n", "network ", "name ",  "host ", "link ", "forward\n", "server ",
                                    "end\n",           "\n",       "10.0.0.2", "::1", " ",     "ab",        "nameserver "};

static void parse(const char *text, size_t length) {
    struct network_names names;
    if (network_names_parse(text, length, &names) == 0) {
        size_t count;
        const struct address address = {.family = AF_INET};
        network_names_find(&names, "ab", &count);
        network_names_reverse(&names, &address);
    }
    network_names_free(&names);
    struct sandbox_view view;
    sandbox_view_parse(text, length, &view);
    sandbox_view_free(&view);
    struct address servers[SERVERS_MAX];
    resolv_conf_servers(text, length, servers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    parse((const char *)data, size);
    char *text = malloc(16 * size + 16);
    if (!text) return 0;
    size_t length = 0;
    memcpy(text, WORDS[0], strlen(WORDS[0]));
    length += strlen(WORDS[0]);
    for (size_t index = 0; index < size && index < 256; index++) {
        const char *word = WORDS[data[index] % (sizeof(WORDS) / sizeof(*WORDS))];
        memcpy(text + length, word, strlen(word));
        length += strlen(word);
    }
    parse(text, length);
    free(text);
    return 0;
}
