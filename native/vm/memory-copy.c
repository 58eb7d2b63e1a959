#include "memory-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"

static int copy_range(int from, int to, off_t start, off_t end) {
    if (lseek(to, start, SEEK_SET) < 0) return -1;
    while (start < end) {
        ssize_t count = RETRY(sendfile(to, from, &start, (size_t)(end - start)));
        if (count < 0) return -1;
        if (count == 0) return errno = EIO, -1; /* it has become shorter */
    }
    return 0;
}

static int copy_data(int from, int to, off_t size) {
    off_t end = 0;
    while (end < size) {
        off_t start = lseek(from, end, SEEK_DATA);
        if (start < 0) return errno == ENXIO ? 0 : -1; /* the rest is a hole */
        end = lseek(from, start, SEEK_HOLE);
        if (end < 0 || copy_range(from, to, start, end) < 0) return -1;
    }
    return 0;
}

int copy_of_memory(const char *path, struct failure *why) {
    struct stat file;
    AUTO_CLOSE from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &file) < 0) return fail_errno(why, "the memory %s", path);
    AUTO_CLOSE to = memfd_create("memory", MFD_CLOEXEC);
    if (to < 0 || ftruncate(to, file.st_size) < 0 || copy_data(from, to, file.st_size) < 0) {
        return fail_errno(why, "a copy of the memory %s", path);
    }
    return take_fd(&to);
}
