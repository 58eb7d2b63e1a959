/*
 * The values of fields, taken into what a decoder fills. Each returns -1 with the reason for a value that is not of its
 * kind; texts and lists are owned by what they are put into, and are freed with it either way.
 */
#ifndef BERTH_FIELDS_H
#define BERTH_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "frame.h"

/* A list of owned strings. */
struct texts {
    char **items;
    size_t count;
};

int texts_add(struct texts *texts, char *owned);
void texts_free(struct texts *texts);

/* Refuses a field by its number. */
int field_broken(const struct field *field, struct failure *why);

/* A text that is not empty and comes once. */
int take_text(const struct field *field, char **into, struct failure *why);

/* One more text. */
int take_item(const struct field *field, struct texts *into, struct failure *why);

int take_number(const struct field *field, uint64_t *into, struct failure *why);

/* A number up to `most`. */
int take_number_to(const struct field *field, uint64_t most, uint64_t *into, struct failure *why);

/* 0 or 1. */
int take_flag(const struct field *field, bool *into, struct failure *why);

/* Gives each field of a payload to `take`, which returns -1 to stop. A payload that ends inside a field is refused. */
int take_fields(const uint8_t *payload, size_t length,
                int (*take)(const struct field *field, void *into, struct failure *why), void *into,
                struct failure *why);

/* As take_fields, of the fields inside a field. */
int take_inner_fields(const struct field *outer,
                      int (*take)(const struct field *field, void *into, struct failure *why), void *into,
                      struct failure *why);

#endif
