#include "fields.h"

#include <stdlib.h>

int texts_add(struct texts *texts, char *owned) {
    char **items = realloc(texts->items, (texts->count + 1) * sizeof(*items));
    if (!items) return -1;
    texts->items = items;
    texts->items[texts->count++] = owned;
    return 0;
}

void texts_free(struct texts *texts) {
    for (size_t index = 0; index < texts->count; index++) free(texts->items[index]);
    free(texts->items);
    *texts = (struct texts){0};
}

int field_broken(const struct field *field, struct failure *why) {
    return fail(why, FAILURE_INVALID, "field %u is not valid", field->tag);
}

int take_text(const struct field *field, char **into, struct failure *why) {
    if (*into || field->length == 0) return field_broken(field, why);
    *into = field_text(field);
    return *into ? 0 : field_broken(field, why);
}

int take_item(const struct field *field, struct texts *into, struct failure *why) {
    char *text = field_text(field);
    if (text && texts_add(into, text) == 0) return 0;
    free(text);
    return field_broken(field, why);
}

int take_number(const struct field *field, uint64_t *into, struct failure *why) {
    return take_number_to(field, UINT64_MAX, into, why);
}

int take_number_to(const struct field *field, uint64_t most, uint64_t *into, struct failure *why) {
    uint64_t number = 0;
    if (!field_number(field, &number) || number > most) return field_broken(field, why);
    *into = number;
    return 0;
}

int take_flag(const struct field *field, bool *into, struct failure *why) {
    uint64_t number = 0;
    if (take_number_to(field, 1, &number, why) < 0) return -1;
    *into = number == 1;
    return 0;
}

int take_fields(const uint8_t *payload, size_t length,
                int (*take)(const struct field *field, void *into, struct failure *why), void *into,
                struct failure *why) {
    size_t at = 0;
    struct field field;
    enum field_result result;
    while ((result = field_next(payload, length, &at, &field)) == FIELD_NEXT) {
        if (take(&field, into, why) < 0) return -1;
    }
    return result == FIELD_END ? 0 : fail(why, FAILURE_INVALID, "the payload ends inside a field");
}

int take_inner_fields(const struct field *outer,
                      int (*take)(const struct field *field, void *into, struct failure *why), void *into,
                      struct failure *why) {
    return take_fields(outer->value, outer->length, take, into, why);
}
