#include "fs/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/bytes.h"
#include "fs/fail-call.h"

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int collect(DIR *stream, struct names *names, struct failure *failure) {
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (!entry) return errno ? fail_call(failure, "a folder cannot be read") : 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if ((names->count & (names->count - 1)) == 0)
            names->items = reallocate(names->items, (names->count ? names->count * 2 : 1) * sizeof *names->items);
        names->items[names->count++] = copy_text(entry->d_name);
    }
}

int read_names(int folder, struct names *names, struct failure *failure) {
    *names = (struct names){0};
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closedir() closes it */
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    if (!stream) {
        int number = errno;
        if (own >= 0) close(own);
        errno = number;
        return fail_call(failure, "a folder cannot be read");
    }
    int result = collect(stream, names, failure);
    closedir(stream);
    if (result < 0) names_free(names);
    else if (names->count) qsort(names->items, names->count, sizeof *names->items, by_bytes);
    return result;
}

void names_free(struct names *names) {
    for (size_t at = 0; at < names->count; at++) free(names->items[at]);
    free(names->items);
    *names = (struct names){0};
}
