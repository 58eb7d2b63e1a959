/* A signal means nothing to a process that neither catches, ignores, blocks nor waits for it. */
#include "guest/stop.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "testing/check.h"

#define NOTHING "Name:\tsh\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n"
#define CAUGHT "Name:\tsh\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000004000\n"
#define IGNORED "Name:\tsh\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000004000\nSigCgt:\t0000000000000000\n"
#define BLOCKED "Name:\tsh\nSigBlk:\t0000000000004000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n"

int main(void) {
    char waiting[32];
    snprintf(waiting, sizeof(waiting), "%d 0x7ffc 0x0", SYS_rt_sigtimedwait);
    CHECK(is_dropped(NOTHING, "7 0x0", SIGTERM));
    CHECK(is_dropped(NOTHING, "running", SIGTERM));
    CHECK(!is_dropped(CAUGHT, "7 0x0", SIGTERM));
    CHECK(is_dropped(CAUGHT, "7 0x0", SIGINT));
    CHECK(!is_dropped(IGNORED, "7 0x0", SIGTERM));
    CHECK(!is_dropped(BLOCKED, "7 0x0", SIGTERM));
    CHECK(!is_dropped(NOTHING, waiting, SIGTERM));
    return 0;
}
