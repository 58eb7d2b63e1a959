/*
 * Lines of QMP, QEMU's control protocol (docs/interop/qmp-spec): one JSON object each. Only what a line is about is
 * looked for; the scanner copies nothing, calls nothing again and again, and takes any bytes.
 */
#ifndef BERTH_VM_QMP_LINE_H
#define BERTH_VM_QMP_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of the line; `at` is NULL where there is none. */
struct span {
    const char *at;
    size_t length;
};

/* The value of a member of a JSON object, white space around it left off. */
struct span json_member(struct span object, const char *name);

/* Whether a value is this string. Escapes are not understood: none of QEMU's words needs one. */
bool json_is_text(struct span value, const char *text);

/* A string's content for people, with its escapes undone as far as they are printable; truncated to `size`. */
void json_text(struct span value, char *into, size_t size);

/*
 * Whether a text is one object on one line, its brackets and strings closed: QEMU answers to such a text exactly once,
 * whatever is in it.
 */
bool json_is_object(struct span text);

enum qmp_line { QMP_RETURN, QMP_ERROR, QMP_EVENT, QMP_OTHER };

/* `value` is what was returned, why not, or the event's name. */
enum qmp_line qmp_line_of(struct span line, struct span *value);

/* Whether `words` is in the line as it stands. */
bool span_holds(struct span line, const char *words);

#endif
