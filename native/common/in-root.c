#include "in-root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *without_leading_slashes(const char *path) {
    while (*path == '/') path++;
    return *path ? path : ".";
}

int open_in_root(int root, const char *path, int flags) {
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    long opened;
    /* EAGAIN: something was renamed while ".." was resolved; openat2(2) says to ask again. */
    do opened = syscall(SYS_openat2, root, without_leading_slashes(path), &how, sizeof how);
    while (opened < 0 && (errno == EAGAIN || errno == EINTR));
    return (int)opened;
}
