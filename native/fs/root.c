#include "fs/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/bytes.h"
#include "fs/fail-call.h"

int open_parent(int root, const char *path, const char **name, struct failure *failure) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (**name == 0 || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return fail(failure, FAILURE_INVALID, "the path %s does not end in a name", path);
    char *folder = slash ? strndup(path, (size_t)(slash - path)) : copy_text("");
    if (!folder) return fail_call(failure, "%s", path);
    int parent = open_in_root(root, folder, O_PATH | O_DIRECTORY);
    free(folder);
    return parent < 0 ? fail_call(failure, "the folder of %s cannot be opened", path) : parent;
}

/* Makes and opens the last component of `path` in its parent; somebody else may have made it meanwhile. */
static int make_directory(int parent, const char *path, struct owner owner, struct failure *failure) {
    const char *name = strrchr(path, '/') + 1;
    bool made = mkdirat(parent, name, 0755) == 0;
    if (!made && errno != EEXIST) return fail_call(failure, "the folder %s cannot be made", path);
    int folder = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return fail_call(failure, "the folder %s cannot be opened", path);
    if (made && fchownat(parent, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) < 0) {
        close(folder);
        return fail_call(failure, "the owner of %s cannot be set", path);
    }
    return folder;
}

int open_or_make_directory(int root, const char *path, struct owner owner, struct failure *failure) {
    int found = open_in_root(root, path, O_PATH | O_DIRECTORY);
    if (found >= 0) return found;
    if (errno != ENOENT) return fail_call(failure, "the folder %s cannot be opened", path);

    struct bytes prefix = {0};
    int folder = open_in_root(root, "", O_PATH | O_DIRECTORY);
    if (folder < 0) return fail_call(failure, "the root cannot be opened");
    for (const char *at = path; folder >= 0 && *at;) {
        size_t length = strcspn(at, "/");
        if (length == 0) {
            at++;
            continue;
        }
        bytes_append_text(&prefix, "/");
        bytes_append(&prefix, at, length);
        at += length;
        int next = open_in_root(root, bytes_text(&prefix), O_PATH | O_DIRECTORY);
        if (next < 0)
            next = errno == ENOENT ? make_directory(folder, bytes_text(&prefix), owner, failure)
                                   : fail_call(failure, "the folder %s cannot be opened", bytes_text(&prefix));
        close(folder);
        folder = next;
    }
    bytes_free(&prefix);
    return folder;
}
