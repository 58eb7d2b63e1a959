/*
 * The one error convention of the native parts: a function that can fail returns -1 (or NULL) and fills
 * `struct failure` with a kind of src/base/errors.ts and a sentence for people.
 */
#ifndef BERTH_FAILURE_H
#define BERTH_FAILURE_H

#define FAILURE_INVALID "invalid"
#define FAILURE_NOT_FOUND "not-found"
#define FAILURE_CONFLICT "conflict"
#define FAILURE_UNAVAILABLE "unavailable"
#define FAILURE_NOT_IMPLEMENTED "not-implemented"
#define FAILURE_INTERNAL "internal"

struct failure {
    char kind[16];
    char message[1024];
};

/* Fills `why` and returns -1, so that callers can write `return fail(why, ...)`. */
int fail(struct failure *why, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As fail(), kind internal, with the text of errno behind the message. */
int fail_errno(struct failure *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes one line to the log (standard error). */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
