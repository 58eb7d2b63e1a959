#include "fs/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/bytes.h"
#include "fs/folder.h"
#include "fs/fail-call.h"

/* So often a folder is emptied again, in which somebody still makes files. */
#define ROUNDS 100

static int remove_entry(int parent, const char *name, struct failure *failure);

/* The last component is split off, so that one function removes every level. */
int remove_tree(const char *path, struct failure *failure) {
    char *copy = copy_text(path);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/') copy[--length] = 0;
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    int result;
    if (!slash || *name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        result = fail(failure, FAILURE_INVALID, "%s is not an absolute path that ends in a name", path);
    } else {
        *slash = 0;
        int parent = open(*copy ? copy : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (parent >= 0) result = remove_entry(parent, name, failure);
        else result = errno == ENOENT ? 0 : fail_call(failure, "%s cannot be opened", copy);
        if (parent >= 0) close(parent);
    }
    free(copy);
    return result;
}

static int open_without_crossing(int parent, const char *name) {
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
}

static int remove_content(int parent, const char *name, struct failure *failure) {
    struct names names;
    int folder = open_without_crossing(parent, name);
    if (folder < 0 && errno == ENOENT) return 0;
    if (folder < 0 && errno == EXDEV) return fail(failure, FAILURE_CONFLICT, "%s is a mount point", name);
    if (folder < 0) return fail_call(failure, "the folder %s cannot be opened", name);
    int result = read_names(folder, &names, failure);
    if (result == 0) {
        for (size_t at = 0; at < names.count && result == 0; at++)
            result = remove_entry(folder, names.items[at], failure);
        names_free(&names);
    }
    close(folder);
    return result;
}

static int remove_entry(int parent, const char *name, struct failure *failure) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR) return fail_call(failure, "%s cannot be removed", name);
    /* A supervisor whose container has ended may be compressing its last log files. */
    for (int round = 0; round < ROUNDS; round++) {
        if (remove_content(parent, name, failure) < 0) return -1;
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
        if (errno != ENOTEMPTY) break;
    }
    return fail_call(failure, "the folder %s cannot be removed", name);
}
