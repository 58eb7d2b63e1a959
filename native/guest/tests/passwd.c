/* What an image has in the place of its /etc/passwd is read only when it is a file that could be one. */
#include "guest/passwd.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/check.h"

static char folder[] = "/tmp/berth-passwd-XXXXXX";
static int root;

static void check_nothing_is_read(void) {
    CHECK(!passwd_in_root(root));
    CHECK(unlinkat(root, "etc/passwd", 0) == 0);
}

static void write_file(const char *name, const char *text) {
    int file = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

static void a_file_is_read(void) {
    write_file("etc/passwd", "ann:x:7:7::/home/ann:\n");
    FILE *stream = passwd_in_root(root);
    struct passwd *entry = stream ? fgetpwent(stream) : NULL;
    CHECK(entry && strcmp(entry->pw_name, "ann") == 0 && entry->pw_uid == 7);
    fclose(stream);
    CHECK(unlinkat(root, "etc/passwd", 0) == 0);
}

static void a_named_pipe_is_not_waited_for(void) {
    CHECK(mkfifoat(root, "etc/passwd", 0644) == 0);
    check_nothing_is_read();
}

static void a_file_without_end_is_not_read(void) {
    write_file("etc/passwd", "");
    int file = openat(root, "etc/passwd", O_WRONLY | O_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, (off_t)1 << 40) == 0);
    close(file);
    check_nothing_is_read();
}

static void a_link_leads_nowhere_but_into_the_root(void) {
    CHECK(symlinkat("../../../../../../dev/zero", root, "etc/passwd") == 0);
    check_nothing_is_read();
    CHECK(symlinkat("/etc/passwd", root, "etc/passwd") == 0);
    check_nothing_is_read();
}

int main(void) {
    CHECK(mkdtemp(folder));
    root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0 && mkdirat(root, "etc", 0755) == 0);
    CHECK(!passwd_in_root(root));
    a_file_is_read();
    a_named_pipe_is_not_waited_for();
    a_file_without_end_is_not_read();
    a_link_leads_nowhere_but_into_the_root();
    CHECK(unlinkat(root, "etc", AT_REMOVEDIR) == 0 && rmdir(folder) == 0);
    close(root);
    return 0;
}
