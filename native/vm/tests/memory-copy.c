/* A copy of a template's memory has its content, and its holes. */
#include "vm/memory-copy.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"

#define SIZE (16 << 20)
#define PLACE (5 << 20)

static void make_memory(char *path) {
    AUTO_CLOSE file = mkstemp(path);
    CHECK(file >= 0 && ftruncate(file, SIZE) == 0);
    CHECK(pwrite(file, "begin", 5, 0) == 5 && pwrite(file, "middle", 6, PLACE) == 6);
}

static void check_copied(void) {
    char path[] = "/tmp/memory-copy-XXXXXX";
    char text[8] = "";
    struct failure why;
    struct stat status;
    make_memory(path);
    AUTO_CLOSE copy = copy_of_memory(path, &why);
    CHECK(copy >= 0 && fstat(copy, &status) == 0 && status.st_size == SIZE);
    CHECK(pread(copy, text, 5, 0) == 5 && strcmp(text, "begin") == 0);
    CHECK(pread(copy, text, 6, PLACE) == 6 && strcmp(text, "middle") == 0);
    CHECK(status.st_blocks * 512 < SIZE / 4);
    AUTO_CLOSE original = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(pwrite(copy, "other", 5, 0) == 5);
    CHECK(pread(original, text, 5, 0) == 5 && strncmp(text, "begin", 5) == 0);
    unlink(path);
}

static void check_missing(void) {
    struct failure why;
    CHECK(copy_of_memory("/nowhere/memory", &why) < 0);
    CHECK(strstr(why.message, "the memory /nowhere/memory"));
}

int main(void) {
    check_copied();
    check_missing();
    return 0;
}
