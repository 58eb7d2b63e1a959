#include "process-control.h"

#include <signal.h>

int send_signal(pid_t pid, uint64_t number, struct failure *why) {
    if (number == 0 || number > (uint64_t)SIGRTMAX) {
        return fail(why, FAILURE_INVALID, "no signal %llu", (unsigned long long)number);
    }
    return kill(pid, (int)number) < 0 ? fail_errno(why, "the signal %d", (int)number) : 0;
}

int window_size(uint64_t rows, uint64_t columns, struct winsize *size, struct failure *why) {
    if (rows > UINT16_MAX || columns > UINT16_MAX) return fail(why, FAILURE_INVALID, "the terminal is too large");
    *size = (struct winsize){.ws_row = (uint16_t)rows, .ws_col = (uint16_t)columns};
    return 0;
}
