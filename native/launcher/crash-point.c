#include "crash-point.h"

#ifdef BERTH_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"

#define NAME_MAX_BYTES 64

void crash_point(const char *name) {
    const char *path = getenv("BERTH_LAUNCHER_CRASH");
    AUTO_CLOSE file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    AUTO_BUFFER wanted = {0};
    if (file < 0 || read_until_end(file, &wanted, NAME_MAX_BYTES) < 0) return;
    if (wanted.length != strlen(name) || memcmp(wanted.data, name, wanted.length) != 0) return;
    unlink(path);
    kill(getpid(), SIGKILL);
}

#endif
