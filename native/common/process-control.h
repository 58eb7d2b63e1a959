/* What a process is asked from outside: signals and its terminal's size, with numbers that nobody has checked yet. */
#ifndef BERTH_PROCESS_CONTROL_H
#define BERTH_PROCESS_CONTROL_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "common/failure.h"

/* Sends a signal that there is; 0 is none. */
int send_signal(pid_t pid, uint64_t number, struct failure *why);

/* Refuses what no terminal can be. */
int window_size(uint64_t rows, uint64_t columns, struct winsize *size, struct failure *why);

#endif
