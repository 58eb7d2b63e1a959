#include "options.h"

#include <stddef.h>
#include <string.h>

#include "common/failure.h"

static bool take_value(const char *const *names, const char **const *values, size_t count, const char *name,
                       const char *value) {
    for (size_t index = 0; index < count; index++) {
        if (strcmp(names[index], name) != 0) continue;
        *values[index] = value;
        return true;
    }
    return false;
}

static bool take_flag(struct options *options, const char *name) {
    if (strcmp(name, "--detach") == 0) options->detach = true;
    else if (strcmp(name, "--force") == 0) options->force = true;
    else return false;
    return true;
}

static bool is_whole(const struct options *options) {
    static const char *const COMMANDS[] = {"run", "monitor", "exec", "proxy", "pause", "resume", "delete", "qmp"};
    bool known = false;
    for (size_t index = 0; options->command && index < sizeof(COMMANDS) / sizeof(*COMMANDS); index++) {
        known = known || strcmp(options->command, COMMANDS[index]) == 0;
    }
    if (!known) log_line("berth-vm: no command %s", options->command ? options->command : "was given");
    else if (!options->root) log_line("berth-vm: --root is missing");
    else if (!options->id || !*options->id || strchr(options->id, '/') || options->id[0] == '.') {
        log_line("berth-vm: the machine's id is missing, or cannot be a folder's name");
    } else return true;
    return false;
}

bool options_parse(int count, char **arguments, struct options *options) {
    *options = (struct options){.bundle = "."};
    const char *format = NULL;
    const char *const names[] = {"--root",     "--log",            "--log-format", "--bundle",
                                 "--pid-file", "--console-socket", "--process"};
    const char **const values[] = {&options->root,     &options->log,            &format, &options->bundle,
                                   &options->pid_file, &options->console_socket, &options->process};
    for (int index = 1; index < count; index++) {
        const char *word = arguments[index];
        if (word[0] != '-') {
            if (!options->command) options->command = word;
            else if (!options->id) options->id = word;
            else {
                log_line("berth-vm: %s is one word too many", word);
                return false;
            }
        } else if (!take_flag(options, word)) {
            const char *value = index + 1 < count ? arguments[++index] : NULL;
            if (!value || !take_value(names, values, sizeof(names) / sizeof(*names), word, value)) {
                log_line("berth-vm: the option %s is unknown or lacks its value", word);
                return false;
            }
        }
    }
    return is_whole(options);
}
