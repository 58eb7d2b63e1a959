/*
 * A program's copy in sealed memory. crun makes one of itself whenever it is started, so that no container can write to
 * its file, and starts again from there; started from a sealed copy it goes on at once, 1.4 ms sooner. The launcher makes the
 * copy, and supervisors, which outlive an update of the program, use it as long as it is the same as the file.
 */
#ifndef BERTH_SEALED_PROGRAM_H
#define BERTH_SEALED_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

/* As text on a command line. */
#define SEALED_PROGRAM_TEXT 160

struct sealed_program {
    int copy; /* -1: there is none, so that the file is to be executed */
    /* The file's, when it was copied: whatever changes it changes one of these. */
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t changed_seconds;
    int64_t changed_nanoseconds;
};

/*
 * Copies `path` if it is crun, and has not been copied as it is now. Without a copy afterwards where it cannot or must not
 * be: SELinux judges a process by the label of its program's file.
 */
void sealed_program_update(struct sealed_program *program, const char *path);

/* Whether there is a copy, and `path` is what it was made from. */
bool sealed_program_is_current(const struct sealed_program *program, const char *path);

/* For a process that inherits the copy. */
void sealed_program_write(const struct sealed_program *program, char text[SEALED_PROGRAM_TEXT]);

/* Without a copy if the text is not one of sealed_program_write. */
void sealed_program_read(struct sealed_program *program, const char *text);

#endif
