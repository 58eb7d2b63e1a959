/* What a question of one sandbox is answered with: pure, from what the files say. */
#ifndef BERTH_RESOLVER_ANSWER_H
#define BERTH_RESOLVER_ANSWER_H

#include "message.h"
#include "records.h"

/* Docker's: how long an answer may be kept, in seconds. */
#define ANSWER_TTL 600

struct answer_source {
    const struct sandbox_view *view;
    const struct network_names *const *networks; /* one for each of the view's, in its order; NULL: no file */
};

enum answer_kind {
    ANSWER_GIVEN,   /* the reply is complete */
    ANSWER_FORWARD, /* not one of ours: servers outside are to be asked */
};

/*
 * Answers into `reply`, which is begun here with `data` and `limit`. Several addresses of a name come in a new order
 * each time, decided by `turn`.
 */
enum answer_kind answer(const struct answer_source *source, const uint8_t *query, const struct question *question,
                        uint32_t turn, uint8_t *data, size_t limit, struct reply *reply);

#endif
