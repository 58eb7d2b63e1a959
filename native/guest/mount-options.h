/* What mount(8) takes behind -o, for mount(2). */
#ifndef BERTH_GUEST_MOUNT_OPTIONS_H
#define BERTH_GUEST_MOUNT_OPTIONS_H

#include "common/failure.h"

struct mount_options {
    unsigned long flags; /* MS_* */
    char data[512];      /* what the file system itself takes */
};

/* `text` may be NULL. Later words win. */
int mount_options_parse(const char *text, struct mount_options *options, struct failure *why);

#endif
