/* The options of mount(8) become flags and what the file system takes itself. */
#include "guest/mount-options.h"

#include <string.h>
#include <sys/mount.h>

#include "testing/check.h"

static void words_become_flags_and_data(void) {
    struct mount_options options;
    struct failure why;
    CHECK(mount_options_parse("noexec,size=64m,nosuid,,mode=1777,rbind,rprivate", &options, &why) == 0);
    CHECK(options.flags == (MS_NOEXEC | MS_NOSUID));
    CHECK(strcmp(options.data, "size=64m,mode=1777") == 0);
    CHECK(mount_options_parse(NULL, &options, &why) == 0 && options.flags == 0 && options.data[0] == 0);
}

static void later_words_win(void) {
    struct mount_options options;
    struct failure why;
    CHECK(mount_options_parse("ro,noexec,rw,exec", &options, &why) == 0 && options.flags == 0);
    CHECK(mount_options_parse("relatime,strictatime", &options, &why) == 0 && options.flags == MS_STRICTATIME);
}

static void what_is_too_long_is_refused(void) {
    char text[1200];
    struct mount_options options;
    struct failure why;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    CHECK(mount_options_parse(text, &options, &why) < 0);
    for (size_t at = 9; at < sizeof(text) - 1; at += 10) text[at] = ',';
    CHECK(mount_options_parse(text, &options, &why) < 0 && strcmp(why.kind, FAILURE_INVALID) == 0);
}

int main(void) {
    words_become_flags_and_data();
    later_words_win();
    what_is_too_long_is_refused();
    return 0;
}
