#include "sealed-program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"

/* Since Linux 6.3; where a copy must not be executable, it is not made. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

/* Just these are what crun looks for. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_crun(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && strcmp(slash, "/crun") == 0;
}

static bool is_judged_by_its_label(void) {
    return access("/sys/fs/selinux/enforce", F_OK) == 0;
}

static struct sealed_program identity_of(const struct stat *file) {
    return (struct sealed_program){.copy = -1,
                                   .device = file->st_dev,
                                   .inode = file->st_ino,
                                   .size = (uint64_t)file->st_size,
                                   .changed_seconds = file->st_ctim.tv_sec,
                                   .changed_nanoseconds = file->st_ctim.tv_nsec};
}

static bool is_same(const struct sealed_program *a, const struct sealed_program *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_seconds == b->changed_seconds && a->changed_nanoseconds == b->changed_nanoseconds;
}

static int executable_memory(void) {
    int fd = memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    return fd < 0 && errno == EINVAL ? memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

static int copy_sealed(int file, uint64_t size) {
    AUTO_CLOSE copy = executable_memory();
    if (copy < 0) return -1;
    for (uint64_t done = 0; done < size;) {
        ssize_t count = RETRY(sendfile(copy, file, NULL, size - done));
        if (count <= 0) return -1;
        done += (uint64_t)count;
    }
    if (fchmod(copy, 0500) < 0 || fcntl(copy, F_ADD_SEALS, SEALS) < 0) return -1;
    return take_fd(&copy);
}

void sealed_program_update(struct sealed_program *program, const char *path) {
    if (!is_crun(path) || sealed_program_is_current(program, path)) return;
    close_fd(&program->copy);
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat before;
    if (is_judged_by_its_label() || file < 0 || fstat(file, &before) < 0) return;
    struct sealed_program made = identity_of(&before);
    made.copy = copy_sealed(file, made.size);
    struct stat after;
    /* Nobody wrote to it meanwhile. */
    if (made.copy >= 0 && fstat(file, &after) == 0) {
        struct sealed_program now = identity_of(&after);
        if (is_same(&made, &now)) {
            *program = made;
            return;
        }
    }
    close_fd(&made.copy);
}

bool sealed_program_is_current(const struct sealed_program *program, const char *path) {
    struct stat file;
    if (program->copy < 0 || stat(path, &file) < 0) return false;
    struct sealed_program now = identity_of(&file);
    return is_same(program, &now);
}

void sealed_program_write(const struct sealed_program *program, char text[SEALED_PROGRAM_TEXT]) {
    snprintf(text, SEALED_PROGRAM_TEXT, "%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRId64, program->copy,
             program->device, program->inode, program->size, program->changed_seconds, program->changed_nanoseconds);
}

void sealed_program_read(struct sealed_program *program, const char *text) {
    struct sealed_program read = {.copy = -1};
    int count = sscanf(text, "%d,%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNd64 ",%" SCNd64, &read.copy, &read.device,
                       &read.inode, &read.size, &read.changed_seconds, &read.changed_nanoseconds);
    *program = count == 6 ? read : (struct sealed_program){.copy = -1};
}
