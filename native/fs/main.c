/*
 * berth-fs: file operations that Node cannot do, in a process of their own.
 *
 *     berth-fs serve               file operations below the folder on fd 3, for one connection to the socket on fd 4
 *     berth-fs serve-connected     the same, where fd 4 is the connection
 *     berth-fs serve DIR SOCKET    the same for any folder, at a socket that it makes; says "ready" when it listens
 *     berth-fs pack-changes DIR    the layer tar of an overlayfs upper folder, on standard output
 *     berth-fs unpack DIR          unpacks the tar on standard input below DIR
 *     berth-fs unpack-layer DIR CONTENTS
 *                                  makes a layer's tree, durably, in the empty DIR; files' contents may lie in CONTENTS
 *     berth-fs remove-trees        removes folders, whatever their modes and owners are: each path on standard input ends
 *                                  with a 0, and is answered by a line, "done" or a failure
 *
 * Failures are one line on standard error and exit code 1; a wrong command line is exit code 2.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/failure.h"
#include "common/io.h"
#include "fs/bytes.h"
#include "fs/fail-call.h"
#include "fs/pack.h"
#include "fs/remove.h"
#include "fs/serve.h"
#include "fs/unpack.h"

#define ROOT_DESCRIPTOR 3
#define LISTENER_DESCRIPTOR 4
#define CONNECTION_DESCRIPTOR 4

static int open_folder(const char *path, struct failure *failure) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? fail_call(failure, "%s cannot be opened", path) : folder;
}

static int run_pack_changes(const char *path, struct failure *failure) {
    int upper = open_folder(path, failure), output = STDOUT_FILENO;
    if (upper < 0) return -1;
    struct sink *sink = allocate(sizeof *sink);
    *sink = (struct sink){.flush = flush_to_descriptor, .context = &output};
    int result = pack_changes(upper, sink, failure);
    free(sink);
    close(upper);
    return result;
}

static int run_unpack(const char *path, struct failure *failure) {
    int root = open_folder(path, failure), input = STDIN_FILENO;
    if (root < 0) return -1;
    struct unpack_options options = {.path = ""};
    struct source *source = allocate(sizeof *source);
    *source = (struct source){.fill = fill_from_descriptor, .context = &input};
    int result = unpack(root, &options, source, failure);
    if (result == 0) result = source_drain(source, failure);
    free(source);
    close(root);
    return result;
}

static int run_unpack_layer(const char *path, const char *contents_path, struct failure *failure) {
    int root = open_folder(path, failure), input = STDIN_FILENO;
    if (root < 0) return -1;
    int contents = open(contents_path, O_RDONLY | O_CLOEXEC);
    struct source *source = allocate(sizeof *source);
    *source = (struct source){.fill = fill_from_descriptor, .context = &input};
    int result = contents < 0 ? fail_call(failure, "%s cannot be opened", contents_path)
                              : unpack_layer(root, contents, source, failure);
    if (result == 0) result = source_drain(source, failure);
    free(source);
    if (contents >= 0) close(contents);
    close(root);
    return result;
}

static int report(int result, struct failure *failure) {
    if (result == 0) return 0;
    make_printable(failure);
    log_line("%s: %s", failure->kind, failure->message);
    return 1;
}

/* One process for many: to start one for each would cost more than most removals do. */
static int run_remove_trees(void) {
    char *path = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getdelim(&path, &size, 0, stdin)) > 0 && path[length - 1] == 0;) {
        struct failure failure;
        if (remove_tree(path, &failure) == 0) {
            puts("done");
        } else {
            make_printable(&failure);
            printf("%s: %s\n", failure.kind, failure.message);
        }
        if (fflush(stdout) != 0) break; /* nobody is left who would want to know */
    }
    free(path);
    return 0;
}

static int serve_at(const char *path, const char *socket) {
    struct failure failure;
    int root = open_folder(path, &failure);
    int listener = root < 0 ? -1 : listen_at(socket, &failure);
    if (listener < 0) {
        log_line("%s: %s", failure.kind, failure.message);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    return serve(root, listener);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(const char *path, struct failure *failure);
    } commands[] = {{"pack-changes", run_pack_changes}, {"unpack", run_unpack}};

    umask(0);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "serve") == 0) return serve(ROOT_DESCRIPTOR, LISTENER_DESCRIPTOR);
    if (argc == 2 && strcmp(argv[1], "serve-connected") == 0) {
        serve_connection(ROOT_DESCRIPTOR, CONNECTION_DESCRIPTOR);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "serve") == 0) return serve_at(argv[2], argv[3]);
    if (argc == 2 && strcmp(argv[1], "remove-trees") == 0) return run_remove_trees();
    struct failure failure;
    if (argc == 4 && strcmp(argv[1], "unpack-layer") == 0)
        return report(run_unpack_layer(argv[2], argv[3], &failure), &failure);
    for (size_t at = 0; argc == 3 && at < sizeof commands / sizeof *commands; at++) {
        if (strcmp(argv[1], commands[at].name) == 0) return report(commands[at].run(argv[2], &failure), &failure);
    }
    fputs("usage: berth-fs serve [DIR SOCKET] | serve-connected | pack-changes DIR | unpack DIR | "
          "unpack-layer DIR CONTENTS | remove-trees\n",
          stderr);
    return 2;
}
