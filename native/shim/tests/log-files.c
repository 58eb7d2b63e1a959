/* Rotated files are compressed one by one, keep their time, and are found under their number whatever comes between. */
#include "shim/log-files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"

static char path[64];

static void write_file(struct log_files *files, const char *text) {
    AUTO_BUFFER data = {0};
    CHECK(buffer_append(&data, text, strlen(text)) == 0);
    log_files_write(files, &data);
}

static bool exists(const char *suffix) {
    char name[80];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

static struct timespec changed(const char *suffix) {
    char name[80];
    struct stat status;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    CHECK(stat(name, &status) == 0);
    return status.st_mtim;
}

static void compressor_ends(struct log_files *files) {
    int status;
    pid_t pid = files->compressing;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(log_files_compressed(files, pid, status));
}

static void remove_all(void) {
    static const char *const SUFFIXES[] = {"", ".1", ".2", ".3", ".1.gz", ".2.gz", ".3.gz", ".gz.tmp"};
    for (size_t index = 0; index < sizeof(SUFFIXES) / sizeof(*SUFFIXES); index++) {
        char name[80];
        snprintf(name, sizeof(name), "%s%s", path, SUFFIXES[index]);
        unlink(name);
    }
}

static void a_file_that_moves_on_while_it_is_compressed_keeps_its_place(const char *gzip) {
    struct plan plan = {.log_path = path, .log_max_size = 1, .log_max_files = 3, .log_compressor = (char *)gzip};
    struct log_files files = {0};
    struct failure why;
    CHECK(log_files_open(&files, &plan, &why) == 0);
    write_file(&files, "first\n");
    log_files_rotate(&files);
    struct timespec time = changed(".1");
    write_file(&files, "second\n");
    log_files_rotate(&files); /* the first is being compressed, and is now number 2 */
    CHECK(exists(".1") && exists(".2") && !exists(".2.gz"));
    compressor_ends(&files);
    CHECK(exists(".2.gz") && !exists(".2"));
    CHECK(memcmp(&time, &(struct timespec[]){changed(".2.gz")}[0], sizeof(time)) == 0);
    compressor_ends(&files); /* of the second */
    CHECK(exists(".1.gz") && !exists(".1") && !exists(".gz.tmp"));
    write_file(&files, "third\n");
    log_files_rotate(&files);
    CHECK(exists(".1") && exists(".2.gz") && !exists(".3.gz"));
    compressor_ends(&files);
    log_files_close(&files);
}

static void a_compressor_that_fails_leaves_the_file(void) {
    struct plan plan = {.log_path = path, .log_max_files = 3, .log_compressor = "/bin/false"};
    struct log_files files = {0};
    struct failure why;
    CHECK(log_files_open(&files, &plan, &why) == 0);
    write_file(&files, "kept\n");
    log_files_rotate(&files);
    compressor_ends(&files);
    CHECK(files.compressing == 0 && exists(".1") && !exists(".1.gz") && !exists(".gz.tmp"));
    log_files_close(&files);
}

int main(void) {
    snprintf(path, sizeof(path), "/tmp/berth-files-%d", (int)getpid());
    a_compressor_that_fails_leaves_the_file();
    remove_all();
    /* Where there is no gzip, nothing is compressed. */
    if (access("/usr/bin/gzip", X_OK) == 0) a_file_that_moves_on_while_it_is_compressed_keeps_its_place("/usr/bin/gzip");
    remove_all();
    return 0;
}
