#include "fs/links.h"

#include <search.h>
#include <stdlib.h>

#include "fs/bytes.h"

struct link {
    dev_t device;
    ino_t inode;
    char *path;
};

static int by_file(const void *a, const void *b) {
    const struct link *one = a, *other = b;
    if (one->device != other->device) return one->device < other->device ? -1 : 1;
    if (one->inode != other->inode) return one->inode < other->inode ? -1 : 1;
    return 0;
}

const char *links_find_or_add(struct links *links, const struct stat *info, const char *path) {
    struct link wanted = {.device = info->st_dev, .inode = info->st_ino};
    struct link **found = tfind(&wanted, &links->tree, by_file);
    if (found) return (*found)->path;
    struct link *added = allocate(sizeof *added);
    *added = wanted;
    added->path = copy_text(path);
    if (!tsearch(added, &links->tree, by_file)) abort(); /* out of memory */
    return NULL;
}

static void free_link(void *link) {
    free(((struct link *)link)->path);
    free(link);
}

void links_free(struct links *links) {
    tdestroy(links->tree, free_link);
    links->tree = NULL;
}
