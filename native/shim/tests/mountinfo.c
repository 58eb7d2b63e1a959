/* Lines of /proc/self/mountinfo, as proc(5) describes them. */
#include "shim/mountinfo.h"

#include <string.h>

#include "testing/check.h"

static bool parse(const char *text, struct mount_line *mount) {
    static char line[512];
    snprintf(line, sizeof(line), "%s", text);
    return mountinfo_parse(line, mount);
}

int main(void) {
    struct mount_line mount;
    CHECK(parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n", &mount));
    CHECK(strcmp(mount.root, "/mnt1") == 0 && strcmp(mount.point, "/mnt2") == 0);
    CHECK(mount.shared && strcmp(mount.type, "ext3") == 0 && strcmp(mount.options, "rw,errors=continue") == 0);

    CHECK(parse("1 0 0:1 / /a\\040b\\134c rw - tmpfs none rw", &mount));
    CHECK(!mount.shared && strcmp(mount.point, "/a b\\c") == 0 && strcmp(mount.type, "tmpfs") == 0);

    CHECK(!parse("", &mount));
    CHECK(!parse("1 0 0:1 / /a rw", &mount));
    CHECK(!parse("1 0 0:1 / /a rw shared:1", &mount));
    CHECK(!parse("1 0 0:1 / /a rw - tmpfs", &mount));
    return 0;
}
