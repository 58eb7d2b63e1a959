#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void describe(struct failure *why, const char *kind, const char *format, va_list values) {
    snprintf(why->kind, sizeof(why->kind), "%s", kind);
    vsnprintf(why->message, sizeof(why->message), format, values);
}

int fail(struct failure *why, const char *kind, const char *format, ...) {
    va_list values;
    va_start(values, format);
    describe(why, kind, format, values);
    va_end(values);
    return -1;
}

int fail_errno(struct failure *why, const char *format, ...) {
    int error = errno;
    va_list values;
    va_start(values, format);
    describe(why, FAILURE_INTERNAL, format, values);
    va_end(values);
    size_t used = strlen(why->message);
    snprintf(why->message + used, sizeof(why->message) - used, ": %s", strerror(error));
    errno = error;
    return -1;
}

void log_line(const char *format, ...) {
    char line[1200];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof(line) - 1, format, values);
    va_end(values);
    if (length < 0) return;
    if ((size_t)length > sizeof(line) - 2) length = (int)sizeof(line) - 2;
    line[length] = '\n';
    if (write(STDERR_FILENO, line, (size_t)length + 1) < 0) return; /* nobody is left to tell */
}
