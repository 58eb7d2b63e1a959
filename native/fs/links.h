/* Remembers under which path a file with several links was packed first. */
#ifndef BERTH_FS_LINKS_H
#define BERTH_FS_LINKS_H

#include <sys/stat.h>

struct links {
    void *tree;
};

/* The path of the file's first link, or NULL when this is the first; then `path` is remembered. */
const char *links_find_or_add(struct links *links, const struct stat *info, const char *path);
void links_free(struct links *links);

#endif
