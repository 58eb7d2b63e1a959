/* Any bytes as a question, answered from a fixed network, and as an answer from a server outside. */
#include <stdlib.h>
#include <string.h>

#include "resolver/answer.h"

static const char NETWORK[] = "berth-names 1\nnetwork n\nhost 10.0.0.2 a\nname a 10.0.0.2\nname a 10.0.0.3\nend\n";
static const char VIEW[] = "berth-names 1\nnetwork aa\nlink aa b a\nforward\nsearch n\nend\n";

static void ask(const uint8_t *data, size_t size) {
    struct question question;
    enum question_result result = question_read(data, size, &question);
    uint8_t out[PLAIN_UDP_MAX];
    struct reply reply;
    if (result == QUESTION_NONE) return;
    if (result != QUESTION_WHOLE) {
        reply_begin(&reply, out, sizeof(out), data, NULL, RCODE_FORMAT);
        reply_end(&reply);
        return;
    }
    struct network_names names;
    struct sandbox_view view;
    network_names_parse(NETWORK, strlen(NETWORK), &names);
    sandbox_view_parse(VIEW, strlen(VIEW), &view);
    const struct network_names *networks[] = {&names};
    const struct answer_source source = {.view = &view, .networks = networks};
    if (answer(&source, data, &question, size > 0 ? data[0] : 0, out, sizeof(out), &reply) == ANSWER_GIVEN) {
        if (reply_end(&reply) > sizeof(out)) abort();
    }
    network_names_free(&names);
    sandbox_view_free(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Most noise is no query: the first bytes of a header make it one, so that the name and the records are reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t HEAD[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    ask(data, size);
    uint8_t *query = malloc(sizeof(HEAD) + size);
    if (!query) return 0;
    memcpy(query, HEAD, sizeof(HEAD));
    if (size > 0) memcpy(query + sizeof(HEAD), data, size);
    ask(query, sizeof(HEAD) + size);
    answers_query(data, size, query, sizeof(HEAD) + size);
    uint8_t *reply = malloc(sizeof(HEAD) + size);
    if (reply) {
        memcpy(reply, query, sizeof(HEAD) + size);
        reply[2] |= 0x80;
        answers_query(reply, sizeof(HEAD) + size, query, sizeof(HEAD) + size);
        answers_query(reply, (sizeof(HEAD) + size) / 2, query, sizeof(HEAD) + size);
    }
    free(reply);
    free(query);
    return 0;
}
