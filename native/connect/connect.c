#include "connect.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "common/io.h"

int enter_network(const char *path, struct failure *why) {
    AUTO_CLOSE namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0) return fail_errno(why, "%s", path);
    return 0;
}
