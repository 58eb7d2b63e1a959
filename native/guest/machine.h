/* The machine as SETUP describes it: its layers joined, its cards up, its files made. */
#ifndef BERTH_GUEST_MACHINE_H
#define BERTH_GUEST_MACHINE_H

#include "common/failure.h"
#include "setup-plan.h"

/* Does what can be done before there is a process. */
int make_machine(const struct setup_plan *plan, struct failure *why);

/* What a file that is mounted over the root's has as its own name: FILES_DIRECTORY/INDEX. */
void machine_file_path(size_t index, char *path, size_t size);

/* Writes a file's content in place, so that those who have it mounted see it. */
int write_file(const char *path, const struct file_plan *file, struct failure *why);

#endif
