/* Failures of system calls, by what errno says about them. */
#ifndef BERTH_FS_FAIL_CALL_H
#define BERTH_FS_FAIL_CALL_H

#include "common/failure.h"

/* Returns -1. The kind follows from errno, whose description follows the message after a colon. */
int fail_call(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Names in messages come from archives and containers: control characters become '?'. */
void make_printable(struct failure *failure);

#endif
