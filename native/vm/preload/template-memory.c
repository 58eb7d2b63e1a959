/*
 * Preloaded into QEMU. The memory that a machine is restored from is a file that all machines of a template map, each
 * copying what it writes; nobody may change it. QEMU 7.2 opens it for writing all the same, and makes holes in it for
 * pages that the guest gives back, before it gives its own copies of them back (madvise(2)). So this one file,
 * BERTH_TEMPLATE_MEMORY, is opened for reading, and a hole in it is made by doing nothing.
 *
 * Where a machine reads a page of it, the kernel maps the 15 beside it, too. A guest's pages are used in no order, so most
 * of them are never read: a start maps four times what it needs. userfaultfd(2) can turn that off for one map.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Of Linux 6.7 (include/uapi/linux/userfaultfd.h). */
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

static bool is_template(const char *path) {
    const char *name = getenv("BERTH_TEMPLATE_MEMORY");
    return name && path && strcmp(path, name) == 0;
}

static bool is_template_descriptor(int fd) {
    const char *name = getenv("BERTH_TEMPLATE_MEMORY");
    struct stat file;
    struct stat template;
    if (!name || fstat(fd, &file) < 0 || stat(name, &template) < 0) return false;
    return file.st_dev == template.st_dev && file.st_ino == template.st_ino;
}

static int only_to_read(const char *path, int flags) {
    if (!is_template(path)) return flags;
    return (flags & ~(O_ACCMODE | O_CREAT | O_TRUNC)) | O_RDONLY;
}

/* The C library's own function of this name. A cast from a pointer to data is what dlsym(3) makes of it. */
#define REAL(name, type)                            \
    static type real;                               \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

typedef int (*open_function)(const char *path, int flags, ...);
typedef int (*openat_function)(int folder, const char *path, int flags, ...);
typedef int (*fallocate_function)(int fd, int mode, off_t offset, off_t length);

#define MODE_OF(flags)                                                  \
    mode_t mode = 0;                                                    \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                            \
        va_list values;                                                 \
        va_start(values, flags);                                        \
        mode = va_arg(values, mode_t);                                  \
        va_end(values);                                                 \
    }

int open(const char *path, int flags, ...) {
    REAL("open", open_function);
    MODE_OF(flags)
    return real(path, only_to_read(path, flags), mode);
}

int open64(const char *path, int flags, ...) {
    REAL("open64", open_function);
    MODE_OF(flags)
    return real(path, only_to_read(path, flags), mode);
}

int openat(int folder, const char *path, int flags, ...) {
    REAL("openat", openat_function);
    MODE_OF(flags)
    return real(folder, path, only_to_read(path, flags), mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    REAL("openat64", openat_function);
    MODE_OF(flags)
    return real(folder, path, only_to_read(path, flags), mode);
}

/* What calls of open(2) become where the C library checks them (_FORTIFY_SOURCE), as in Debian's QEMU. */
typedef int (*checked_open_function)(const char *path, int flags);

int __open_2(const char *path, int flags) {
    REAL("__open_2", checked_open_function);
    return real(path, only_to_read(path, flags));
}

int __open64_2(const char *path, int flags) {
    REAL("__open64_2", checked_open_function);
    return real(path, only_to_read(path, flags));
}

static bool makes_a_hole(int fd, int mode) {
    return (mode & FALLOC_FL_PUNCH_HOLE) && is_template_descriptor(fd);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    REAL("fallocate", fallocate_function);
    return makes_a_hole(fd, mode) ? 0 : real(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    REAL("fallocate64", fallocate_function);
    return makes_a_hole(fd, mode) ? 0 : real(fd, mode, offset, length);
}

/*
 * Who watches what is written to a map wants to know of each page, so none is mapped unasked. Nothing is watched here: no page is
 * ever protected from being written, so the kernel has nothing to tell. An older kernel refuses, and maps more.
 * The descriptor stays open for as long as the map is to be so.
 */
static void map_touched_pages_only(void *start, size_t length) {
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC};
    struct uffdio_register range = {.range = {.start = (uintptr_t)start, .len = length}, .mode = UFFDIO_REGISTER_MODE_WP};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)) close(fd);
}

typedef void *(*mmap_function)(void *start, size_t length, int access, int flags, int fd, off_t offset);

static void *map(mmap_function real, void *start, size_t length, int access, int flags, int fd, off_t offset) {
    void *mapped = real(start, length, access, flags, fd, offset);
    if (mapped == MAP_FAILED || fd < 0 || !is_template_descriptor(fd)) return mapped;
    int error = errno;
    map_touched_pages_only(mapped, length);
    errno = error;
    return mapped;
}

void *mmap(void *start, size_t length, int access, int flags, int fd, off_t offset) {
    REAL("mmap", mmap_function);
    return map(real, start, length, access, flags, fd, offset);
}

void *mmap64(void *start, size_t length, int access, int flags, int fd, off64_t offset) {
    REAL("mmap64", mmap_function);
    return map(real, start, length, access, flags, fd, offset);
}
