#include "fs/xattrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/bytes.h"
#include "fs/fail-call.h"

static bool begins_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

bool is_overlay_xattr(const char *name) {
    return begins_with(name, "trusted.overlay.") || begins_with(name, "user.overlay.");
}

bool is_portable_xattr(const char *name) {
    if (is_overlay_xattr(name)) return false;
    return begins_with(name, "user.") || begins_with(name, "trusted.") || begins_with(name, "system.posix_acl_") ||
           strcmp(name, "security.capability") == 0;
}

void xattrs_add(struct xattrs *xattrs, const char *name, const void *value, size_t size) {
    xattrs->items = reallocate(xattrs->items, (xattrs->count + 1) * sizeof *xattrs->items);
    struct xattr *added = &xattrs->items[xattrs->count++];
    added->name = copy_text(name);
    added->value = allocate(size);
    added->size = size;
    if (size) memcpy(added->value, value, size);
}

const struct xattr *xattrs_find(const struct xattrs *xattrs, const char *name) {
    for (size_t at = 0; at < xattrs->count; at++)
        if (strcmp(xattrs->items[at].name, name) == 0) return &xattrs->items[at];
    return NULL;
}

void xattrs_free(struct xattrs *xattrs) {
    for (size_t at = 0; at < xattrs->count; at++) {
        free(xattrs->items[at].name);
        free(xattrs->items[at].value);
    }
    free(xattrs->items);
    *xattrs = (struct xattrs){0};
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct xattr *)a)->name, ((const struct xattr *)b)->name);
}

/* The kernel's limits are the buffers' sizes: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
int read_xattrs(int folder, const char *name, struct xattrs *xattrs, struct failure *failure) {
    char names[65536], value[65536];
    *xattrs = (struct xattrs){0};
    if (fchdir(folder) < 0) return fail_call(failure, "the folder of %s cannot be entered", name);
    ssize_t listed = llistxattr(name, names, sizeof names);
    if (listed < 0 && errno == ENOTSUP) return 0;
    if (listed < 0) return fail_call(failure, "the attributes of %s cannot be listed", name);
    for (const char *at = names; at < names + listed; at += strlen(at) + 1) {
        ssize_t size = lgetxattr(name, at, value, sizeof value);
        if (size < 0 && (errno == ENODATA || errno == ENOTSUP)) continue; /* removed meanwhile, or virtual */
        if (size < 0) {
            xattrs_free(xattrs);
            return fail_call(failure, "the attribute %s of %s cannot be read", at, name);
        }
        xattrs_add(xattrs, at, value, (size_t)size);
    }
    if (xattrs->count) qsort(xattrs->items, xattrs->count, sizeof *xattrs->items, by_name);
    return 0;
}

int write_xattrs(int folder, const char *name, const struct xattrs *xattrs, struct failure *failure) {
    if (xattrs->count == 0) return 0;
    if (fchdir(folder) < 0) return fail_call(failure, "the folder of %s cannot be entered", name);
    for (size_t at = 0; at < xattrs->count; at++) {
        const struct xattr *xattr = &xattrs->items[at];
        if (!is_portable_xattr(xattr->name)) continue;
        if (lsetxattr(name, xattr->name, xattr->value, xattr->size, 0) == 0 || errno == ENOTSUP) continue;
        return fail_call(failure, "the attribute %s of %s cannot be set", xattr->name, name);
    }
    return 0;
}
