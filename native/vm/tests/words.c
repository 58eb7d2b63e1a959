/* Last words: the newest are kept, what cannot be printed is left out, a panic is told by its reason. */
#include "vm/words.h"

#include <string.h>

#include "testing/check.h"

static void add(struct words *words, const char *text) {
    words_add(words, (const uint8_t *)text, strlen(text));
}

static void the_newest_are_kept(void) {
    struct words words = {0};
    char text[16];
    for (int line = 0; line < 3000; line++) add(&words, "another line\n");
    add(&words, "the last\x1b\r\n\n");
    words_text(&words, text, sizeof(text));
    CHECK(strstr(text, "the last") && !strchr(text, '\x1b') && text[strlen(text) - 1] == 't');
    static char flood[3 * WORDS_MAX];
    memset(flood, 'x', sizeof(flood) - 1);
    add(&words, flood);
    CHECK(words.length == WORDS_MAX);
}

static void a_panic_is_told_by_its_reason(void) {
    struct words words = {0};
    char text[512];
    add(&words, "[ 1.0] sysrq: Trigger a crash\n[ 1.1] Kernel panic - not syncing: sysrq\n[ 1.2] Call Trace:\n");
    console_text(&words, text, sizeof(text));
    CHECK(strcmp(text, "Kernel panic - not syncing: sysrq") == 0);
    struct words quiet = {0};
    add(&quiet, "goodbye\n");
    console_text(&quiet, text, sizeof(text));
    CHECK(strcmp(text, "goodbye") == 0);
}

int main(void) {
    the_newest_are_kept();
    a_panic_is_told_by_its_reason();
    return 0;
}
