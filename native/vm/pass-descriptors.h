/* Bytes with descriptors over a unix socket (unix(7), SCM_RIGHTS). */
#ifndef BERTH_VM_PASS_DESCRIPTORS_H
#define BERTH_VM_PASS_DESCRIPTORS_H

#include <stddef.h>
#include <sys/types.h>

#define PASSED_MAX 3

/* The descriptors go with the first byte; all bytes are sent. */
int send_with_descriptors(int socket, const void *data, size_t length, const int *descriptors, size_t count);

/* As recv(2). `count` says how many descriptors came, close-on-exec; more than PASSED_MAX are closed by the kernel. */
ssize_t receive_with_descriptors(int socket, void *data, size_t length, int descriptors[PASSED_MAX], size_t *count);

#endif
