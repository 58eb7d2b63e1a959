/* The names in a folder. */
#ifndef BERTH_FS_FOLDER_H
#define BERTH_FS_FOLDER_H

#include <stddef.h>

#include "common/failure.h"

struct names {
    char **items;
    size_t count;
};

/* The names in an open folder but "." and "..", sorted by their bytes. The descriptor stays open. */
int read_names(int folder, struct names *names, struct failure *failure);
void names_free(struct names *names);

#endif
