/* A program's copy in sealed memory: made of crun only, used while the file stays as it is. */
#include "common/sealed-program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/check.h"

static char folder[] = "/tmp/berth-sealed-XXXXXX";
static char crun[64];

static void write_program(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

static void a_copy_is_the_file_and_cannot_be_written(void) {
    struct sealed_program program = {.copy = -1};
    sealed_program_update(&program, crun);
    CHECK(program.copy >= 0 && sealed_program_is_current(&program, crun));
    char text[16] = {0};
    CHECK(pread(program.copy, text, sizeof(text) - 1, 0) == 3 && strcmp(text, "one") == 0);
    CHECK(pwrite(program.copy, "x", 1, 0) < 0 && errno == EPERM);
    CHECK(ftruncate(program.copy, 0) < 0 && errno == EPERM);
    close(program.copy);
}

static void a_changed_file_is_copied_anew(void) {
    struct sealed_program program = {.copy = -1};
    sealed_program_update(&program, crun);
    struct sealed_program older = program;
    older.copy = dup(program.copy);
    write_program(crun, "three");
    CHECK(!sealed_program_is_current(&older, crun));
    sealed_program_update(&program, crun);
    char text[16] = {0};
    CHECK(pread(program.copy, text, sizeof(text) - 1, 0) == 5 && strcmp(text, "three") == 0);
    int copy = program.copy;
    sealed_program_update(&program, crun);
    CHECK(program.copy == copy);
    close(program.copy);
    close(older.copy);
}

static void nothing_else_is_copied(void) {
    char other[80];
    snprintf(other, sizeof(other), "%s/runsc", folder);
    write_program(other, "four");
    struct sealed_program program = {.copy = -1};
    sealed_program_update(&program, other);
    CHECK(program.copy < 0 && !sealed_program_is_current(&program, other));
    unlink(other);
    unlink(crun);
    sealed_program_update(&program, crun);
    CHECK(program.copy < 0);
    write_program(crun, "one");
}

static void its_text_says_all_of_it(void) {
    struct sealed_program program = {.copy = -1};
    sealed_program_update(&program, crun);
    char text[SEALED_PROGRAM_TEXT];
    sealed_program_write(&program, text);
    struct sealed_program read;
    sealed_program_read(&read, text);
    CHECK(read.copy == program.copy && sealed_program_is_current(&read, crun));
    sealed_program_read(&read, "7,1,2");
    CHECK(read.copy == -1);
    close(program.copy);
}

int main(void) {
    CHECK(mkdtemp(folder));
    snprintf(crun, sizeof(crun), "%s/crun", folder);
    write_program(crun, "one");
    a_copy_is_the_file_and_cannot_be_written();
    a_changed_file_is_copied_anew();
    nothing_else_is_copied();
    its_text_says_all_of_it();
    unlink(crun);
    rmdir(folder);
    return 0;
}
