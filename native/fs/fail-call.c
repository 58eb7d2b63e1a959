#include "fs/fail-call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *kind_of(int number) {
    switch (number) {
    case ENOENT: return FAILURE_NOT_FOUND;
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
    case EFBIG: return FAILURE_INVALID;
    case EEXIST:
    case EBUSY:
    case ENOTEMPTY: return FAILURE_CONFLICT;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return FAILURE_UNAVAILABLE;
    default: return FAILURE_INTERNAL;
    }
}

int fail_call(struct failure *failure, const char *format, ...) {
    int number = errno;
    char subject[sizeof failure->message - 128];
    va_list values;
    va_start(values, format);
    vsnprintf(subject, sizeof subject, format, values);
    va_end(values);
    return fail(failure, kind_of(number), "%s: %s", subject, strerror(number));
}

void make_printable(struct failure *failure) {
    for (char *at = failure->message; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
}
