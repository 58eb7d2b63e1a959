/* What berthd wrote is understood, and questions are answered from it. */
#include "resolver/answer.h"

#include <string.h>

#include "query.h"
#include "testing/check.h"

#define FILE_OF(lines) "berth-names 1\n" lines "end\n"

static const char SHOP[] = FILE_OF(
    "network Shop\n"
    "host 10.0.0.2 web-1\nhost 10.0.0.3 web-2\nhost 10.0.0.4 db\n"
    "name web-1 10.0.0.2\nname web-2 10.0.0.3\nname db 10.0.0.4\nname WEB 10.0.0.2\nname web 10.0.0.3\n"
    "name six fd00::6\n");
static const char BACK[] = FILE_OF("network back\nhost 10.1.0.2 db-2\nname db 10.1.0.2\nname db-2 10.1.0.2\n");
static const char VIEW[] = FILE_OF("network aa\nnetwork bb\nlink aa store db\n");

struct asked {
    enum answer_kind kind;
    uint8_t data[512];
    struct question question;
    size_t length;
};

static struct asked ask_as(const char *view_text, const char *name, uint16_t type, uint32_t turn) {
    struct network_names shop, back;
    struct sandbox_view view;
    CHECK(network_names_parse(SHOP, strlen(SHOP), &shop) == 0);
    CHECK(network_names_parse(BACK, strlen(BACK), &back) == 0);
    CHECK(sandbox_view_parse(view_text, strlen(view_text), &view) == 0);
    const struct network_names *networks[] = {&shop, &back};
    const struct answer_source source = {.view = &view, .networks = networks};
    uint8_t query[512];
    struct asked asked = {0};
    struct reply reply;
    CHECK(question_read(query, make_query(query, name, type, 0), &asked.question) == QUESTION_WHOLE);
    asked.kind = answer(&source, query, &asked.question, turn, asked.data, sizeof(asked.data), &reply);
    if (asked.kind == ANSWER_GIVEN) asked.length = reply_end(&reply);
    network_names_free(&shop);
    network_names_free(&back);
    sandbox_view_free(&view);
    return asked;
}

/* The last byte of the first address; 0: none. */
static int first_address(const struct asked *asked) {
    if (asked->kind != ANSWER_GIVEN || asked->data[7] == 0) return 0;
    return asked->data[asked->question.end + 15];
}

static void names_aliases_and_links_lead_to_addresses(void) {
    struct asked asked = ask_as(VIEW, "web-1", TYPE_A, 0);
    CHECK(first_address(&asked) == 2 && asked.data[7] == 1);
    asked = ask_as(VIEW, "store", TYPE_A, 0);
    CHECK(first_address(&asked) == 4);
    asked = ask_as(VIEW, "db.shop", TYPE_A, 0);
    CHECK(first_address(&asked) == 4);
}

static void the_first_network_answers_first_and_others_by_their_name(void) {
    struct asked asked = ask_as(VIEW, "db", TYPE_A, 0);
    CHECK(first_address(&asked) == 4 && asked.data[7] == 1);
    asked = ask_as(VIEW, "db.back", TYPE_A, 0);
    CHECK(first_address(&asked) == 2);
    asked = ask_as(VIEW, "db-2", TYPE_A, 0);
    CHECK(first_address(&asked) == 2);
}

static void a_search_domain_behind_a_name_is_passed_over(void) {
    const char *view = FILE_OF("network aa\nnetwork bb\nlink aa store db\nsearch Example.org\nsearch lan\nforward\n");
    struct asked asked = ask_as(view, "db-2.lan", TYPE_A, 0);
    CHECK(first_address(&asked) == 2);
    asked = ask_as(view, "store.example.org", TYPE_A, 0);
    CHECK(first_address(&asked) == 4);
    CHECK(ask_as(view, "other.example.org", TYPE_A, 0).kind == ANSWER_FORWARD);
    CHECK(ask_as(view, "db.shop.example.org", TYPE_A, 0).kind == ANSWER_FORWARD);
    CHECK(ask_as(view, "example.org", TYPE_A, 0).kind == ANSWER_FORWARD);
    asked = ask_as(VIEW, "db.lan", TYPE_A, 0);
    CHECK(message_rcode(asked.data) == RCODE_SERVER_FAILURE);
}

static void several_addresses_take_turns(void) {
    struct asked first = ask_as(VIEW, "web", TYPE_A, 0);
    struct asked second = ask_as(VIEW, "web", TYPE_A, 1);
    CHECK(first.data[7] == 2 && second.data[7] == 2);
    CHECK(first_address(&first) != first_address(&second));
}

static void a_name_without_such_an_address_has_no_data(void) {
    struct asked asked = ask_as(VIEW, "web", TYPE_AAAA, 0);
    CHECK(asked.kind == ANSWER_GIVEN && asked.data[7] == 0 && message_rcode(asked.data) == RCODE_OK);
    asked = ask_as(VIEW, "web", 15, 0);
    CHECK(asked.kind == ANSWER_GIVEN && asked.data[7] == 0 && message_rcode(asked.data) == RCODE_OK);
    asked = ask_as(VIEW, "six", TYPE_AAAA, 0);
    CHECK(asked.data[7] == 1);
}

static void an_address_has_a_name(void) {
    struct asked asked = ask_as(VIEW, "3.0.0.10.in-addr.arpa", TYPE_PTR, 0);
    CHECK(asked.kind == ANSWER_GIVEN && asked.data[7] == 1);
    CHECK(memcmp(asked.data + asked.question.end + 12, "\5web-2\4shop\0", 12) == 0);
}

static void other_names_are_forwarded_or_fail(void) {
    struct asked asked = ask_as(VIEW, "example.com", TYPE_A, 0);
    CHECK(asked.kind == ANSWER_GIVEN && message_rcode(asked.data) == RCODE_SERVER_FAILURE);
    CHECK(ask_as(FILE_OF("network aa\nnetwork bb\nforward\n"), "example.com", TYPE_A, 0).kind == ANSWER_FORWARD);
    CHECK(ask_as(FILE_OF("network aa\nnetwork bb\nforward\n"), "9.0.0.10.in-addr.arpa", TYPE_PTR, 0).kind ==
          ANSWER_FORWARD);
}

static bool is_network(const char *text) {
    struct network_names names;
    int result = network_names_parse(text, strlen(text), &names);
    network_names_free(&names);
    return result == 0;
}

static bool is_view(const char *text) {
    struct sandbox_view view;
    int result = sandbox_view_parse(text, strlen(text), &view);
    sandbox_view_free(&view);
    return result == 0;
}

static void files_that_are_not_whole_are_refused(void) {
    CHECK(is_network(FILE_OF("network a\n")));
    CHECK(!is_network(""));
    CHECK(!is_network("berth-names 2\nnetwork a\nend\n"));
    CHECK(!is_network("berth-names 1\nnetwork a\n"));
    CHECK(!is_network("berth-names 1\nnetwork a\nend"));
    CHECK(!is_network(FILE_OF("network a\n") "more\n"));
    CHECK(!is_network(FILE_OF("")));
    CHECK(!is_network(FILE_OF("network a\nname b\n")));
    CHECK(!is_network(FILE_OF("network a\nname b 10.0.0.300\n")));
    CHECK(!is_network(FILE_OF("network a\nnonsense b c\n")));
    CHECK(is_view(FILE_OF("network 0a\nforward\nserver 10.0.0.1\nsearch lan\n")));
    CHECK(!is_view(FILE_OF("network ../x\n")));
    CHECK(!is_view(FILE_OF("server nine\n")));
    CHECK(!is_view(FILE_OF("server 1.1.1.1\nserver 1.1.1.1\nserver 1.1.1.1\nserver 1.1.1.1\nserver 1.1.1.1\n"
                           "server 1.1.1.1\nserver 1.1.1.1\nserver 1.1.1.1\nserver 1.1.1.1\n")));
}

static void the_hosts_servers_are_found(void) {
    static const char TEXT[] =
        "# nameserver 9.9.9.9\nsearch lan\nnameserver 10.0.0.1\n nameserver\t10.0.0.2 \nnameserver fe80::1%eth0\n"
        "nameserver fd00::1\nnameserver\noptions ndots:2\n";
    struct address servers[SERVERS_MAX];
    CHECK(resolv_conf_servers(TEXT, strlen(TEXT), servers) == 3);
    CHECK(servers[0].bytes[3] == 1 && servers[1].bytes[3] == 2 && servers[2].bytes[0] == 0xfd);
    CHECK(resolv_conf_servers("", 0, servers) == 0);
}

int main(void) {
    names_aliases_and_links_lead_to_addresses();
    the_first_network_answers_first_and_others_by_their_name();
    a_search_domain_behind_a_name_is_passed_over();
    several_addresses_take_turns();
    a_name_without_such_an_address_has_no_data();
    an_address_has_a_name();
    other_names_are_forwarded_or_fail();
    files_that_are_not_whole_are_refused();
    the_hosts_servers_are_found();
    return 0;
}
