/* Descriptors: scoped cleanup, whole reads and writes, passing them over sockets. */
#ifndef BERTH_IO_H
#define BERTH_IO_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "failure.h"

/* Repeats a system call that a signal interrupted. */
#define RETRY(call)                                             \
    ({                                                          \
        __typeof__(call) retry_result;                          \
        do retry_result = (call);                               \
        while (retry_result == -1 && errno == EINTR);           \
        retry_result;                                           \
    })

/* Closes `*fd` if it is open and sets it to -1. errno stays. */
void close_fd(int *fd);
void free_text(char **text);

#define AUTO_CLOSE __attribute__((cleanup(close_fd))) int
#define AUTO_TEXT __attribute__((cleanup(free_text))) char *

/* Hands a descriptor over: the variable is -1 afterwards. */
int take_fd(int *fd);

int write_all(int fd, const void *data, size_t length);

/* Appends what `fd` gives until its end; more than `limit` bytes are an error (EFBIG). */
int read_until_end(int fd, struct buffer *out, size_t limit);

/* An unnamed file with this content, its position at 0. */
int memory_file(const char *name, const void *data, size_t length);

int set_inheritable(int fd);
int set_nonblocking(int fd);

/* A close-on-exec, non-blocking unix socket that listens at `path` (mode 0600); a stale socket there is replaced. */
int listen_at(const char *path, struct failure *why);

/* Receives one descriptor (SCM_RIGHTS); -1 when none came. */
int receive_fd(int socket);

/* Takes as many descriptors as we may have: one is held for each layer, network, socket, question. */
void raise_descriptor_limit(void);

/* Nanoseconds since the epoch. */
uint64_t now(void);

/* Milliseconds of a clock that nobody sets. */
uint64_t monotonic_milliseconds(void);

#endif
