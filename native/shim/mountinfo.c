#include "mountinfo.h"

#include <stdlib.h>
#include <string.h>

/* The kernel writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text) {
    char *out = text;
    for (const char *at = text; *at; out++) {
        unsigned code;
        if (at[0] == '\\' && sscanf(at + 1, "%3o", &code) == 1) {
            *out = (char)code;
            at += 4;
        } else {
            *out = *at++;
        }
    }
    *out = 0;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE SOURCE FILE-SYSTEM-OPTIONS */
bool mountinfo_parse(char *line, struct mount_line *mount) {
    char *words[6];
    char *rest = line;
    line[strcspn(line, "\n")] = 0;
    for (int index = 0; index < 6; index++) words[index] = strsep(&rest, " ");
    if (!rest) return false;
    *mount = (struct mount_line){.root = words[3], .point = words[4]};
    unescape(words[3]);
    unescape(words[4]);
    char *tag;
    while ((tag = strsep(&rest, " ")) && strcmp(tag, "-") != 0) {
        if (strncmp(tag, "shared:", 7) == 0) mount->shared = true;
    }
    mount->type = strsep(&rest, " ");
    strsep(&rest, " ");
    mount->options = rest;
    return rest != NULL;
}

int mountinfo_open(struct mountinfo *info) {
    *info = (struct mountinfo){.file = fopen("/proc/self/mountinfo", "re")};
    return info->file ? 0 : -1;
}

bool mountinfo_next(struct mountinfo *info, struct mount_line *mount) {
    while (getline(&info->line, &info->capacity, info->file) > 0) {
        if (mountinfo_parse(info->line, mount)) return true;
    }
    return false;
}

void mountinfo_close(struct mountinfo *info) {
    free(info->line);
    fclose(info->file);
}
