/* The memory of a template as memory of one machine alone, which other processes can be given. */
#ifndef BERTH_VM_MEMORY_COPY_H
#define BERTH_VM_MEMORY_COPY_H

#include "common/failure.h"

/* A memfd with the file's content; what is a hole in the file takes no memory. -1: not, and why. */
int copy_of_memory(const char *path, struct failure *why);

#endif
