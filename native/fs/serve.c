#include "fs/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "fs/bytes.h"
#include "fs/channel.h"
#include "fs/fail-call.h"
#include "fs/folder.h"
#include "fs/pack.h"
#include "fs/protocol.h"
#include "fs/root.h"
#include "fs/unpack.h"

/* The longest content of a reply: it must fit into one frame. */
#define READ_LIMIT (8u * 1024 * 1024)

struct request {
    int root;
    struct channel *channel;
    uint16_t id;
    struct failure failure;
    char *path;
    char *as;
    bool follow, has_owner;
    struct owner owner;
    uint64_t limit;
    bool stream_ended; /* of unpack: end or cancel came */
};

static void serve_request(int root, struct channel *channel, const struct frame *frame);
static int dispatch(struct request *request, uint8_t type);
static int serve_stat(struct request *request);
static int serve_make_directory(struct request *request);
static int serve_read_file(struct request *request);
static int serve_pack(struct request *request);
static int serve_pack_changes(struct request *request);
static int serve_unpack(struct request *request);
static int serve_list(struct request *request);
static int serve_read_head(struct request *request);
static int serve_remove_empty(struct request *request);
static void finish_stream(struct request *request);
static int parse_fields(struct request *request, const struct frame *frame);
static int reply_done(struct request *request, const struct buffer *fields);
static void reply_failed(struct request *request);

int serve(int root, int listener) {
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    if (RETRY(poll(&waiting, 1, -1)) < 0) return 1;
    int connection = RETRY(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    if (connection < 0) {
        log_line("berth-fs: no connection can be accepted: %s", strerror(errno));
        return 1;
    }
    close(listener);
    serve_connection(root, connection);
    close(connection);
    return 0;
}

void serve_connection(int root, int connection) {
    struct channel channel = {.socket = connection};
    struct frame frame;
    while (channel_receive(&channel, &frame)) serve_request(root, &channel, &frame);
    buffer_free(&channel.in);
}

static void serve_request(int root, struct channel *channel, const struct frame *frame) {
    struct request request = {.root = root, .channel = channel, .id = frame->id, .limit = READ_LIMIT};
    uint8_t type = frame->type;
    int result = parse_fields(&request, frame) < 0 ? -1 : dispatch(&request, type);
    if (result < 0) reply_failed(&request);
    if (type == REQUEST_UNPACK) finish_stream(&request);
    free_text(&request.path);
    free_text(&request.as);
}

/* Each function answers with `done` when it succeeds. */
static int dispatch(struct request *request, uint8_t type) {
    if (!request->path) return fail(&request->failure, FAILURE_INVALID, "a file request has no path");
    switch (type) {
    case REQUEST_STAT: return serve_stat(request);
    case REQUEST_MAKE_DIRECTORY: return serve_make_directory(request);
    case REQUEST_READ_FILE: return serve_read_file(request);
    case REQUEST_PACK: return serve_pack(request);
    case REQUEST_UNPACK: return serve_unpack(request);
    case REQUEST_PACK_CHANGES: return serve_pack_changes(request);
    case REQUEST_LIST: return serve_list(request);
    case REQUEST_READ_HEAD: return serve_read_head(request);
    case REQUEST_REMOVE_EMPTY: return serve_remove_empty(request);
    default: return fail(&request->failure, FAILURE_NOT_IMPLEMENTED, "the file request %u is unknown", type);
    }
}

static int add_link_target(struct buffer *fields, int link, struct failure *failure) {
    char target[4096];
    ssize_t length = readlinkat(link, "", target, sizeof target);
    if (length < 0) return fail_call(failure, "a symbolic link cannot be read");
    field_append(fields, FIELD_LINK, target, (size_t)length);
    return 0;
}

static int describe_file(struct request *request, int file, struct buffer *fields) {
    struct stat info;
    if (fstat(file, &info) < 0) return fail_call(&request->failure, "%s cannot be examined", request->path);
    field_append_number(fields, FIELD_MODE, info.st_mode);
    field_append_number(fields, FIELD_SIZE, (uint64_t)info.st_size);
    field_append_number(fields, FIELD_UID, info.st_uid);
    field_append_number(fields, FIELD_GID, info.st_gid);
    field_append_number(fields, FIELD_SECONDS, (uint64_t)info.st_mtim.tv_sec);
    field_append_number(fields, FIELD_NANOSECONDS, (uint64_t)info.st_mtim.tv_nsec);
    return S_ISLNK(info.st_mode) ? add_link_target(fields, file, &request->failure) : 0;
}

/* Where nothing is, the reply is empty. */
static int serve_stat(struct request *request) {
    AUTO_BUFFER fields = {0};
    AUTO_CLOSE file = open_in_root(request->root, request->path, O_PATH | (request->follow ? 0 : O_NOFOLLOW));
    if (file < 0 && errno != ENOENT && errno != ENOTDIR)
        return fail_call(&request->failure, "%s cannot be opened", request->path);
    if (file >= 0 && describe_file(request, file, &fields) < 0) return -1;
    return reply_done(request, &fields);
}

static int serve_make_directory(struct request *request) {
    AUTO_CLOSE folder = open_or_make_directory(request->root, request->path, request->owner, &request->failure);
    return folder < 0 ? -1 : reply_done(request, NULL);
}

/* What is not there is no more than what is not empty. */
static int serve_remove_empty(struct request *request) {
    struct stat info;
    const char *name;
    AUTO_CLOSE parent = open_parent(request->root, request->path, &name, &request->failure);
    if (parent < 0) return -1;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? reply_done(request, NULL) : fail_call(&request->failure, "%s cannot be examined", request->path);
    bool is_file = S_ISREG(info.st_mode) && info.st_size == 0;
    int result = is_file || S_ISDIR(info.st_mode) ? unlinkat(parent, name, is_file ? 0 : AT_REMOVEDIR) : 0;
    if (result < 0 && errno != ENOTEMPTY) return fail_call(&request->failure, "%s cannot be removed", request->path);
    return reply_done(request, NULL);
}

static int open_regular(struct request *request) {
    struct stat info;
    AUTO_CLOSE file = open_in_root(request->root, request->path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (file < 0 || fstat(file, &info) < 0) return fail_call(&request->failure, "%s cannot be opened", request->path);
    if (!S_ISREG(info.st_mode))
        return fail(&request->failure, FAILURE_INVALID, "%s is not a regular file", request->path);
    return take_fd(&file);
}

static int reply_content(struct request *request, const struct buffer *content) {
    AUTO_BUFFER fields = {0};
    field_append(&fields, FIELD_CONTENT, content->data, content->length);
    return reply_done(request, &fields);
}

static uint64_t read_limit(const struct request *request) {
    return request->limit < READ_LIMIT ? request->limit : READ_LIMIT;
}

static int serve_read_file(struct request *request) {
    AUTO_BUFFER content = {0};
    AUTO_CLOSE file = open_regular(request);
    if (file < 0) return -1;
    if (read_until_end(file, &content, read_limit(request)) < 0)
        return fail_call(&request->failure, "%s cannot be read", request->path);
    return reply_content(request, &content);
}

static int serve_read_head(struct request *request) {
    AUTO_BUFFER content = {0};
    AUTO_CLOSE file = open_regular(request);
    if (file < 0) return -1;
    size_t limit = read_limit(request);
    uint8_t *room = buffer_reserve(&content, limit);
    ssize_t count = room ? RETRY(read(file, room, limit)) : -1;
    if (count < 0) return fail_call(&request->failure, "%s cannot be read", request->path);
    content.length += (size_t)count;
    return reply_content(request, &content);
}

/* As many names as fit into the limit. */
static int serve_list(struct request *request) {
    struct names names = {0};
    AUTO_BUFFER content = {0};
    AUTO_CLOSE folder = open_in_root(request->root, request->path, O_RDONLY | O_DIRECTORY);
    if (folder < 0) return fail_call(&request->failure, "%s cannot be opened", request->path);
    if (read_names(folder, &names, &request->failure) < 0) return -1;
    size_t limit = read_limit(request);
    for (size_t index = 0; index < names.count; index++) {
        size_t length = strlen(names.items[index]) + 1;
        if (content.length + length > limit) break;
        buffer_append(&content, names.items[index], length);
    }
    names_free(&names);
    return reply_content(request, &content);
}

/* The only thing that berthd sends while it receives an archive is `cancel`. */
static int check_cancelled(struct request *request) {
    struct frame frame;
    if (!channel_is_readable(request->channel)) return 0;
    if (channel_receive(request->channel, &frame) && (frame.type != STREAM_CANCEL || frame.id != request->id))
        request->channel->broken = true;
    return fail(&request->failure, "cancelled", "the archive of %s was cancelled", request->path);
}

static int send_data(void *context, const char *data, size_t size, struct failure *failure) {
    struct request *request = context;
    (void)failure; /* is the request's */
    if (check_cancelled(request) < 0) return -1;
    if (channel_send(request->channel, STREAM_DATA, request->id, data, size)) return 0;
    return fail(&request->failure, "cancelled", "the connection was closed");
}

/* A path that ends in ".." or is the root has no name in a parent: it is packed as "." of itself. */
static int open_for_pack(struct request *request, const char **name) {
    size_t length = strlen(request->path);
    while (length && request->path[length - 1] == '/') request->path[--length] = 0;
    const char *slash = strrchr(request->path, '/');
    const char *last = slash ? slash + 1 : request->path;
    if (*last && strcmp(last, ".") != 0 && strcmp(last, "..") != 0)
        return open_parent(request->root, request->path, name, &request->failure);
    *name = ".";
    int folder = open_in_root(request->root, request->path, O_PATH | O_DIRECTORY);
    return folder < 0 ? fail_call(&request->failure, "%s cannot be opened", request->path) : folder;
}

static int serve_pack(struct request *request) {
    const char *name;
    AUTO_CLOSE folder = open_for_pack(request, &name);
    if (folder < 0) return -1;
    struct sink *sink = allocate(sizeof *sink);
    *sink = (struct sink){.flush = send_data, .context = request};
    const char *as = request->as ? request->as : strcmp(name, ".") == 0 ? "" : name;
    int result = pack_tree(folder, name, as, sink, &request->failure);
    free(sink);
    return result < 0 ? -1 : reply_done(request, NULL);
}

static int serve_pack_changes(struct request *request) {
    AUTO_CLOSE folder = open_in_root(request->root, request->path, O_RDONLY | O_DIRECTORY);
    if (folder < 0) return fail_call(&request->failure, "%s cannot be opened", request->path);
    struct sink *sink = allocate(sizeof *sink);
    *sink = (struct sink){.flush = send_data, .context = request};
    int result = pack_changes(folder, sink, &request->failure);
    free(sink);
    return result < 0 ? -1 : reply_done(request, NULL);
}

static long receive_data(void *context, char *buffer, struct failure *failure) {
    struct request *request = context;
    struct frame frame;
    while (!request->stream_ended && channel_receive(request->channel, &frame)) {
        bool is_data = frame.id == request->id && frame.type == STREAM_DATA;
        if (is_data && frame.length) {
            memcpy(buffer, frame.payload, frame.length);
            return (long)frame.length;
        }
        if (!is_data) request->stream_ended = true;
        if (!is_data && frame.type != STREAM_END)
            return fail(failure, "cancelled", "unpacking into %s was cancelled", request->path);
    }
    return request->channel->broken ? fail(failure, "cancelled", "the connection was closed") : 0;
}

static int serve_unpack(struct request *request) {
    struct unpack_options options = {.path = request->path, .owner = request->has_owner ? &request->owner : NULL};
    struct source *source = allocate(sizeof *source);
    *source = (struct source){.fill = receive_data, .context = request};
    int result = unpack(request->root, &options, source, &request->failure);
    free(source);
    if (result < 0) return -1;
    finish_stream(request);
    return reply_done(request, NULL);
}

/* Takes what is left of berthd's stream, so that the next frame is a request. */
static void finish_stream(struct request *request) {
    struct frame frame;
    while (!request->stream_ended && channel_receive(request->channel, &frame))
        request->stream_ended = frame.type != STREAM_DATA;
}

static int take_text(char **text, const struct field *field) {
    free_text(text);
    *text = field_text(field);
    return *text ? 0 : -1;
}

static int take_field(struct request *request, const struct field *field) {
    uint64_t number = 0;
    if (field->tag == FIELD_PATH) return take_text(&request->path, field);
    if (field->tag == FIELD_AS) return take_text(&request->as, field);
    if (!field_number(field, &number)) return -1;
    if (field->tag == FIELD_FOLLOW) request->follow = number != 0;
    if (field->tag == FIELD_LIMIT) request->limit = number;
    if (field->tag == FIELD_UID) request->owner.uid = (uid_t)number;
    if (field->tag == FIELD_GID) request->owner.gid = (gid_t)number;
    if (field->tag == FIELD_UID || field->tag == FIELD_GID) request->has_owner = true;
    return 0;
}

static int parse_fields(struct request *request, const struct frame *frame) {
    struct field field;
    size_t at = 0;
    for (;;) {
        enum field_result result = field_next(frame->payload, frame->length, &at, &field);
        if (result == FIELD_END) return 0;
        if (result == FIELD_BROKEN || take_field(request, &field) < 0)
            return fail(&request->failure, FAILURE_INVALID, "a file request is malformed");
    }
}

static int reply_done(struct request *request, const struct buffer *fields) {
    channel_send(request->channel, REPLY_DONE, request->id, fields ? fields->data : NULL, fields ? fields->length : 0);
    return 0;
}

static void reply_failed(struct request *request) {
    AUTO_BUFFER fields = {0};
    make_printable(&request->failure);
    field_append_text(&fields, FIELD_KIND, request->failure.kind);
    field_append_text(&fields, FIELD_MESSAGE, request->failure.message);
    channel_send(request->channel, REPLY_FAILED, request->id, fields.data, fields.length);
}
