#include "program.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "passwd.h"
#include "root-view.h"

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *variable(const struct texts *environment, const char *name) {
    size_t length = strlen(name);
    for (size_t index = environment->count; index > 0; index--) {
        const char *entry = environment->items[index - 1];
        if (strncmp(entry, name, length) == 0 && entry[length] == '=') return entry + length + 1;
    }
    return NULL;
}

static bool is_program(const char *path) {
    struct stat what;
    return stat(path, &what) == 0 && S_ISREG(what.st_mode) && access(path, X_OK) == 0;
}

/* Into `path`, of PATH_MAX bytes; false when no folder of $PATH has it. */
static bool find_in_path(const char *name, const char *folders, char *path) {
    for (const char *at = folders;;) {
        size_t length = strcspn(at, ":");
        const char *folder = length > 0 ? at : ".";
        int written = snprintf(path, PATH_MAX, "%.*s/%s", length > 0 ? (int)length : 1, folder, name);
        if (written < PATH_MAX && is_program(path)) return true;
        if (at[length] == 0) return false;
        at += length + 1;
    }
}

static int find_program(const struct process_plan *plan, char *path, struct failure *why) {
    const char *name = plan->arguments.items[0];
    const char *folders = variable(&plan->environment, "PATH");
    if (strchr(name, '/')) {
        snprintf(path, PATH_MAX, "%s", name);
        return 0;
    }
    if (*name && find_in_path(name, folders ? folders : USUAL_PATH, path)) return 0;
    return fail(why, FAILURE_NOT_FOUND, "executable file `%s` not found in $PATH: No such file or directory", name);
}

/* The arguments with an end, and what berth's init needs before them. */
static char **argument_list(const struct process_plan *plan) {
    char **list = calloc(plan->arguments.count + 3, sizeof(*list));
    if (!list) return NULL;
    size_t at = 0;
    if (plan->init) {
        list[at++] = INIT_POINT;
        list[at++] = "--";
    }
    memcpy(list + at, plan->arguments.items, plan->arguments.count * sizeof(*list));
    return list;
}

/* The home folder in the root's passwd; "/" for who is not in it. */
static void find_home(uid_t uid, char *home, size_t size) {
    snprintf(home, size, "HOME=/");
    FILE *file = passwd_here();
    if (!file) return;
    for (struct passwd *entry; (entry = fgetpwent(file));) {
        if (entry->pw_uid != uid || entry->pw_dir[0] == 0) continue;
        snprintf(home, size, "HOME=%s", entry->pw_dir);
        break;
    }
    fclose(file);
}

static char **environment_list(const struct process_plan *plan) {
    static char home[PATH_MAX];
    char **list = calloc(plan->environment.count + 2, sizeof(*list));
    if (!list) return NULL;
    memcpy(list, plan->environment.items, plan->environment.count * sizeof(*list));
    if (!variable(&plan->environment, "HOME")) {
        find_home((uid_t)plan->uid, home, sizeof(home));
        list[plan->environment.count] = home;
    }
    return list;
}

static int is_folder(const char *path) {
    struct stat what;
    return stat(path, &what) == 0 && S_ISDIR(what.st_mode);
}

int execute_program(const struct process_plan *plan, struct failure *why) {
    char path[PATH_MAX];
    if (plan->init) snprintf(path, sizeof(path), INIT_POINT);
    else if (find_program(plan, path, why) < 0) return -1;
    char **arguments = argument_list(plan);
    char **environment = environment_list(plan);
    if (!arguments || !environment) return fail_errno(why, "exec `%s`", path);
    execve(path, arguments, environment);
    if (errno == EACCES && is_folder(path)) errno = EISDIR;
    fail_errno(why, "exec `%s`", path);
    if (errno == ENOENT) snprintf(why->kind, sizeof(why->kind), FAILURE_NOT_FOUND);
    else if (errno == EACCES || errno == ENOEXEC || errno == EISDIR || errno == ENOTDIR) {
        snprintf(why->kind, sizeof(why->kind), FAILURE_INVALID);
    }
    return -1;
}
