/* A program of a machine as a child: confined, in a root of its own. */
#ifndef BERTH_VM_CONFINED_PROGRAM_H
#define BERTH_VM_CONFINED_PROGRAM_H

#include <sys/resource.h>
#include <sys/types.h>

#include "machine-plan.h"

/* What all programs of one machine have in common. */
struct confinement {
    int user_namespace;
    uid_t owner;         /* the host's user that is root in it */
    const char *scratch; /* an empty folder */
};

/* Above every number that a program's descriptors have. */
#define DESCRIPTOR_MAX 512

struct confined_program {
    const struct program_plan *plan;
    const struct file_plan *extra; /* one file more in its root; NULL: none */
    uint64_t capabilities;
    rlim_t file_size; /* no file becomes longer through it */
    char *const *environment;
    /* What its descriptors are from 0 on, and from a number behind on; -1: /dev/null. */
    const int *first;
    size_t first_count;
    const int *second;
    size_t second_count;
    int second_number;
};

/* Returns the process; it is killed when the caller dies. A failure before its execution is told as ours. */
pid_t confined_program_start(const struct confined_program *program, const struct confinement *confinement,
                             struct failure *why);

#endif
