/* Plans: whole ones are understood, others refused by name. */
#include "common/plan.h"

#include <string.h>

#include "common/frame.h"
#include "common/protocol.h"
#include "testing/check.h"

static void append_minimum(struct buffer *out) {
    field_append_text(out, TAG_ID, "0123456789ab");
    field_append_text(out, TAG_DIRECTORY, "/c");
    field_append_text(out, TAG_SOCKET, "/s");
    field_append_text(out, TAG_RUNTIME_PATH, "/usr/bin/crun");
    field_append_text(out, TAG_RUNTIME_ROOT, "/state");
}

static void check_refused(const struct buffer *payload, const char *words) {
    struct plan plan;
    struct failure why;
    CHECK(plan_decode(payload->data, payload->length, &plan, &why) < 0);
    CHECK(strcmp(why.kind, FAILURE_INVALID) == 0);
    CHECK(strstr(why.message, words));
    plan_free(&plan);
}

static void a_whole_plan_is_understood(void) {
    AUTO_BUFFER out = {0};
    append_minimum(&out);
    field_append_text(&out, TAG_LAYER, "/bottom");
    field_append_text(&out, TAG_LAYER, "/top");
    field_append_text(&out, TAG_UPPER, "/u");
    field_append_text(&out, TAG_WORK, "/w");
    field_append_number(&out, TAG_TERMINAL, 1);
    field_append_text(&out, TAG_LOG_DRIVER, "json-file");
    field_append_text(&out, TAG_LOG_PATH, "/log");
    const struct port_plan port = {.protocol = PORT_UDP, .host_ip = "::", .container_ip = "10.0.0.2", .container_port = 53};
    port_encode(&out, &port, 5353);
    struct plan plan;
    struct failure why;
    CHECK(plan_decode(out.data, out.length, &plan, &why) == 0);
    CHECK(plan.root.layers.count == 2 && strcmp(plan.root.layers.items[1], "/top") == 0);
    CHECK(plan.terminal && !plan.open_stdin && plan.log_driver == LOG_JSON_FILE && !plan.has_network);
    CHECK(plan.port_count == 1 && plan.ports[0].protocol == PORT_UDP && plan.ports[0].host_port == 5353);
    CHECK(strcmp(plan.ports[0].host_ip, "::") == 0);
    plan_free(&plan);
}

static void what_is_missing_is_refused(void) {
    AUTO_BUFFER empty = {0};
    check_refused(&empty, "lacks");
    AUTO_BUFFER half = {0};
    append_minimum(&half);
    field_append_text(&half, TAG_UPPER, "/u");
    check_refused(&half, "only one of the upper and the work");
    AUTO_BUFFER log = {0};
    append_minimum(&log);
    field_append_text(&log, TAG_LOG_DRIVER, "json-file");
    check_refused(&log, "no path for the log");
}

static void what_is_wrong_is_refused_by_its_tag(void) {
    AUTO_BUFFER doubled = {0};
    append_minimum(&doubled);
    field_append_text(&doubled, TAG_ID, "again");
    check_refused(&doubled, "field 1 ");
    AUTO_BUFFER unknown = {0};
    append_minimum(&unknown);
    field_append_text(&unknown, 999, "x");
    check_refused(&unknown, "field 999 ");
    AUTO_BUFFER flag = {0};
    append_minimum(&flag);
    field_append_number(&flag, TAG_STDIN_ONCE, 2);
    check_refused(&flag, "field 9 ");
    AUTO_BUFFER port = {0};
    append_minimum(&port);
    field_append_text(&port, TAG_PORT, "");
    check_refused(&port, "field 11 ");
}

int main(void) {
    a_whole_plan_is_understood();
    what_is_missing_is_refused();
    what_is_wrong_is_refused_by_its_tag();
    return 0;
}
