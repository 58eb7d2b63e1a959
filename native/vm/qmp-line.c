#include "qmp-line.h"

#include <string.h>

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static size_t skip_spaces(struct span text, size_t at) {
    while (at < text.length && is_space(text.at[at])) at++;
    return at;
}

/* Behind the string that begins at `at`; the text's end when it has none. */
static size_t skip_string(struct span text, size_t at) {
    for (at++; at < text.length; at++) {
        if (text.at[at] == '\\') at++;
        else if (text.at[at] == '"') return at + 1;
    }
    return text.length;
}

/* Behind the value that begins at `at`: up to the comma or bracket that is not its own. */
static size_t skip_value(struct span text, size_t at) {
    size_t depth = 0;
    while (at < text.length) {
        char byte = text.at[at];
        if (byte == '"') {
            at = skip_string(text, at);
            continue;
        }
        if (byte == '{' || byte == '[') depth++;
        if (depth == 0 && (byte == ',' || byte == '}' || byte == ']')) return at;
        if (byte == '}' || byte == ']') depth--;
        at++;
    }
    return text.length;
}

static bool is_name(struct span text, size_t from, size_t to, const char *name) {
    size_t length = strlen(name);
    return to - from == length + 2 && memcmp(text.at + from + 1, name, length) == 0;
}

struct span json_member(struct span object, const char *name) {
    const struct span none = {0};
    size_t at = skip_spaces(object, 0);
    if (!object.at || at >= object.length || object.at[at] != '{') return none;
    for (at++; at < object.length; at++) {
        size_t from = skip_spaces(object, at);
        if (from >= object.length || object.at[from] != '"') return none;
        size_t to = skip_string(object, from);
        size_t colon = skip_spaces(object, to);
        if (colon >= object.length || object.at[colon] != ':') return none;
        size_t begin = skip_spaces(object, colon + 1);
        size_t end = skip_value(object, begin);
        if (is_name(object, from, to, name)) {
            while (end > begin && is_space(object.at[end - 1])) end--;
            return (struct span){.at = object.at + begin, .length = end - begin};
        }
        at = end;
        if (at >= object.length || object.at[at] != ',') return none;
    }
    return none;
}

#define DEPTH_MAX 64

bool json_is_object(struct span text) {
    char open[DEPTH_MAX];
    size_t depth = 0;
    for (size_t at = 0; at < text.length; at++) {
        char byte = text.at[at];
        if ((unsigned char)byte < ' ' || (at > 0 && depth == 0) || (at == 0 && byte != '{')) return false;
        if (byte == '"') {
            size_t end = skip_string(text, at);
            if (end - at < 2 || text.at[end - 1] != '"' || memchr(text.at + at, '\n', end - at)) return false;
            at = end - 1;
        } else if (byte == '{' || byte == '[') {
            if (depth == DEPTH_MAX) return false;
            open[depth++] = byte;
        } else if (byte == '}' || byte == ']') {
            if (open[--depth] != (byte == '}' ? '{' : '[')) return false;
        }
    }
    return text.length > 0 && depth == 0;
}

bool json_is_text(struct span value, const char *text) {
    size_t length = strlen(text);
    return value.at && value.length == length + 2 && value.at[0] == '"' && memcmp(value.at + 1, text, length) == 0 &&
           value.at[length + 1] == '"';
}

void json_text(struct span value, char *into, size_t size) {
    size_t used = 0;
    size_t end = value.length > 0 ? value.length - 1 : 0;
    for (size_t at = 1; value.at && at < end && used + 1 < size; at++) {
        char byte = value.at[at];
        if (byte == '\\' && at + 1 < end) {
            byte = value.at[++at];
            if (byte == 'n' || byte == 't' || byte == 'r') byte = ' ';
        }
        into[used++] = (unsigned char)byte < ' ' ? ' ' : byte;
    }
    into[used] = 0;
}

enum qmp_line qmp_line_of(struct span line, struct span *value) {
    static const struct {
        const char *name;
        enum qmp_line is;
    } KINDS[] = {{"return", QMP_RETURN}, {"error", QMP_ERROR}, {"event", QMP_EVENT}};
    for (size_t index = 0; index < sizeof(KINDS) / sizeof(*KINDS); index++) {
        *value = json_member(line, KINDS[index].name);
        if (value->at) return KINDS[index].is;
    }
    return QMP_OTHER;
}

bool span_holds(struct span line, const char *words) {
    return memmem(line.at, line.length, words, strlen(words)) != NULL;
}
