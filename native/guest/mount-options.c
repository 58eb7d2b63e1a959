#include "mount-options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

struct word {
    const char *text;
    unsigned long set;
    unsigned long clear;
};

/* How a mount propagates means nothing here: its source is on another machine. */
static const struct word WORDS[] = {
    {"defaults", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"rro", MS_RDONLY, 0},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"mand", MS_MANDLOCK, 0},
    {"nomand", 0, MS_MANDLOCK},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, MS_STRICTATIME},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, MS_RELATIME},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"bind", 0, 0},
    {"rbind", 0, 0},
    {"private", 0, 0},
    {"rprivate", 0, 0},
    {"slave", 0, 0},
    {"rslave", 0, 0},
    {"shared", 0, 0},
    {"rshared", 0, 0},
};

static bool take_flag_word(const char *text, size_t length, struct mount_options *options) {
    for (size_t index = 0; index < sizeof(WORDS) / sizeof(*WORDS); index++) {
        if (strlen(WORDS[index].text) != length || memcmp(WORDS[index].text, text, length) != 0) continue;
        options->flags = (options->flags & ~WORDS[index].clear) | WORDS[index].set;
        return true;
    }
    return false;
}

static int take_data_word(const char *text, size_t length, struct mount_options *options, struct failure *why) {
    size_t used = strlen(options->data);
    size_t room = sizeof(options->data) - used;
    int written = snprintf(options->data + used, room, "%s%.*s", used ? "," : "", (int)length, text);
    return (size_t)written < room ? 0 : fail(why, FAILURE_INVALID, "a mount's options are too long");
}

int mount_options_parse(const char *text, struct mount_options *options, struct failure *why) {
    *options = (struct mount_options){0};
    for (const char *at = text ? text : ""; *at;) {
        size_t length = strcspn(at, ",");
        if (length > sizeof(options->data)) return fail(why, FAILURE_INVALID, "a mount's options are too long");
        if (length > 0 && !take_flag_word(at, length, options) && take_data_word(at, length, options, why) < 0) return -1;
        at += length + (at[length] == ',');
    }
    return 0;
}
