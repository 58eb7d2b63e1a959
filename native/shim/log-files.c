#include "log-files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"

#define MODE 0640

/* The file with a number, 0 the newest; NULL when memory is short. */
static char *name_of(const struct log_files *files, uint64_t number, const char *suffix) {
    char *name;
    int made = number == 0 ? asprintf(&name, "%s%s", files->path, suffix)
                           : asprintf(&name, "%s.%llu%s", files->path, (unsigned long long)number, suffix);
    return made < 0 ? NULL : name;
}

static int open_newest(struct log_files *files) {
    files->file = open(files->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, MODE);
    struct stat status;
    files->size = files->file >= 0 && fstat(files->file, &status) == 0 ? (uint64_t)status.st_size : 0;
    return files->file;
}

int log_files_open(struct log_files *files, const struct plan *plan, struct failure *why) {
    *files = (struct log_files){.file = -1,
                                .path = plan->log_path,
                                .max_size = plan->log_max_size,
                                .max_files = plan->log_max_files,
                                .compressor = plan->log_compressor,
                                .compressing = files->compressing,
                                .compressing_number = files->compressing_number};
    if (!files->path) return 0;
    return open_newest(files) < 0 ? fail_errno(why, "the log %s cannot be opened", files->path) : 0;
}

bool log_files_full(const struct log_files *files) {
    return files->max_size > 0 && files->size >= files->max_size;
}

void log_files_write(struct log_files *files, const struct buffer *data) {
    if (files->file < 0 || data->length == 0) return;
    if (write_all(files->file, data->data, data->length) == 0) return;
    log_line("the log %s cannot be written: %s", files->path, strerror(errno));
}

/* ---- compression ---- */

/* In the child: the program, from one file to another. */
static void exec_compressor(const char *program, int from, int to) {
    char *const arguments[] = {"gzip", "-c", NULL};
    char *const environment[] = {NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(from, 0) >= 0 && dup2(to, 1) >= 0) execve(program, arguments, environment);
    _exit(127);
}

static void compress_file(struct log_files *files, uint64_t number) {
    AUTO_TEXT source = name_of(files, number, "");
    AUTO_TEXT target = name_of(files, 0, ".gz.tmp");
    if (!source || !target) return;
    AUTO_CLOSE from = open(source, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE to = from < 0 ? -1 : open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (to < 0) return;
    pid_t pid = fork();
    if (pid == 0) exec_compressor(files->compressor, from, to);
    if (pid < 0) return;
    files->compressing = pid;
    files->compressing_number = number;
}

/* One at a time, the newest first: the oldest may be gone before its turn comes. */
static void compress_next(struct log_files *files) {
    if (!files->compressor) return;
    for (uint64_t number = 1; number < files->max_files && files->compressing == 0; number++) {
        compress_file(files, number);
    }
}

/* Readers recognise the file by the time of its last change. */
static int keep_time(const char *source, const char *target) {
    struct stat status;
    if (stat(source, &status) < 0) return -1;
    const struct timespec times[2] = {status.st_atim, status.st_mtim};
    return utimensat(AT_FDCWD, target, times, 0);
}

static void replace_by_compressed(const struct log_files *files, uint64_t number) {
    AUTO_TEXT source = name_of(files, number, "");
    AUTO_TEXT temporary = name_of(files, 0, ".gz.tmp");
    AUTO_TEXT target = name_of(files, number, ".gz");
    if (!source || !temporary || !target) return;
    if (keep_time(source, temporary) == 0 && rename(temporary, target) == 0) unlink(source);
    else unlink(temporary);
}

bool log_files_compressed(struct log_files *files, pid_t pid, int status) {
    if (pid == 0 || files->compressing != pid) return false;
    files->compressing = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        replace_by_compressed(files, files->compressing_number);
        compress_next(files);
    } else {
        AUTO_TEXT temporary = name_of(files, 0, ".gz.tmp");
        if (temporary) unlink(temporary);
        log_line("%s could not compress %s.%llu", files->compressor, files->path,
                 (unsigned long long)files->compressing_number);
    }
    return true;
}

/* ---- rotation ---- */

static void move_on(const struct log_files *files, uint64_t number, const char *suffix) {
    AUTO_TEXT from = name_of(files, number, suffix);
    AUTO_TEXT to = name_of(files, number + 1, suffix);
    if (!from || !to || rename(from, to) == 0 || errno == ENOENT) return;
    log_line("%s cannot be rotated: %s", from, strerror(errno));
}

static void drop(const struct log_files *files, uint64_t number) {
    AUTO_TEXT plain = name_of(files, number, "");
    AUTO_TEXT compressed = name_of(files, number, ".gz");
    if (plain) unlink(plain);
    if (compressed) unlink(compressed);
}

void log_files_rotate(struct log_files *files) {
    close_fd(&files->file);
    uint64_t oldest = files->max_files > 0 ? files->max_files - 1 : 0;
    drop(files, oldest);
    for (uint64_t number = oldest; number-- > 0;) {
        move_on(files, number, "");
        if (number > 0) move_on(files, number, ".gz");
    }
    if (files->compressing) files->compressing_number++;
    if (open_newest(files) < 0) log_line("the log %s is lost: %s", files->path, strerror(errno));
    compress_next(files);
}

void log_files_close(struct log_files *files) {
    close_fd(&files->file);
}
