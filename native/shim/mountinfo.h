/* The lines of /proc/self/mountinfo. */
#ifndef BERTH_MOUNTINFO_H
#define BERTH_MOUNTINFO_H

#include <stdbool.h>
#include <stdio.h>

struct mount_line {
    const char *root; /* which folder of its file system is mounted */
    const char *point;
    bool shared;
    const char *type;
    const char *options; /* of the file system, with commas */
};

struct mountinfo {
    FILE *file;
    char *line;
    size_t capacity;
};

int mountinfo_open(struct mountinfo *info);

/* The next mount, the bottom ones first; its texts are valid until the next call. False at the end. */
bool mountinfo_next(struct mountinfo *info, struct mount_line *mount);

void mountinfo_close(struct mountinfo *info);

/* Takes one line apart, which is changed; false when it is none (exported for its tests). */
bool mountinfo_parse(char *line, struct mount_line *mount);

#endif
