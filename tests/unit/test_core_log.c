/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* Everything written to stderr between start and stop. */
struct capture {
        int file, real;
        char *text;
};

static void start(struct capture *c)
{
        c->file = memfd_create("log", 0);
        c->real = dup(STDERR_FILENO);
        assert_true(c->file >= 0 && c->real >= 0);
        assert_int_equal(fcntl(c->file, F_SETFL, O_APPEND), 0);
        assert_true(dup2(c->file, STDERR_FILENO) >= 0);
}

static void stop(struct capture *c)
{
        dup2(c->real, STDERR_FILENO);
        close(c->real);
        const off_t size = lseek(c->file, 0, SEEK_END);
        c->text = calloc(1, (size_t)size + 1);
        assert_non_null(c->text);
        assert_true(pread(c->file, c->text, (size_t)size, 0) == size);
        close(c->file);
}

static size_t lines_of(const char *text)
{
        size_t count = 0;
        for (; *text; text++)
                count += *text == '\n';
        return count;
}

/* What one call writes, without its time; freed by the caller. */
static char *written(bool json, enum log_level level, const char *where, const char *message)
{
        struct capture c;
        log_setup(LOG_DEBUG, json);
        start(&c);
        log_line(level, where, "%s", message);
        stop(&c);
        assert_int_equal(lines_of(c.text), 1);
        assert_int_equal(c.text[strlen(c.text) - 1], '\n');
        c.text[strlen(c.text) - 1] = '\0';
        return c.text;
}

static const size_t TIME_SIZE = sizeof("2026-11-21T08:42:22.123+00:00 ") - 1;

static void is_logged_as_text(const char *message, const char *line)
{
        char *text = written(false, LOG_INFO, "store", message);
        assert_true(strlen(text) > TIME_SIZE);
        assert_string_equal(text + TIME_SIZE, line);
        free(text);
}

static json_t *logged_as_json(const char *message)
{
        char *text = written(true, LOG_WARN, "broker", message);
        json_t *value = NULL;
        struct problem why = { .text = "" };
        if (json_parse(bytes_of_string(text), "test", &value, &why) != 0)
                fail_msg("%s: %s", text, why.text);
        free(text);
        return value;
}

static void a_line_says_when_how_bad_where_and_what(void **state)
{
        (void)state;
        char *text = written(false, LOG_WARN, "ai", "paused for=12");
        assert_int_equal(text[4], '-');
        assert_int_equal(text[10], 'T');
        assert_memory_equal(text + TIME_SIZE - 7, "+00:00 ", 7);
        assert_string_equal(text + TIME_SIZE, "warn  ai     paused for=12");
        free(text);
}

static void only_what_is_asked_for_is_written(void **state)
{
        (void)state;
        static const enum log_level levels[] = { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
        for (size_t least = 0; least < 4; least++) {
                struct capture c;
                log_setup(levels[least], false);
                start(&c);
                log_debug("test", "%d", 0);
                log_info("test", "%d", 1);
                log_warn("test", "%d", 2);
                log_error("test", "%d", 3);
                stop(&c);
                assert_int_equal(lines_of(c.text), 4 - least);
                for (size_t level = 0; level < 4; level++)
                        assert_int_equal(log_enabled(levels[level]), level >= least);
                free(c.text);
        }
}

static int count_call(int *calls)
{
        return ++*calls;
}

static void a_silent_debug_line_computes_nothing(void **state)
{
        (void)state;
        int calls = 0;
        log_setup(LOG_INFO, false);
        log_debug("test", "%d", count_call(&calls));
        assert_int_equal(calls, 0);
}

/* A value from outside can't write a second line, nor move a terminal's cursor. */
static void no_value_forges_a_line(void **state)
{
        (void)state;
        static const struct {
                const char *message, *line;
        } rows[] = {
                { "a\nb", "info  store  a b" },
                { "a\r\nb", "info  store  a  b" },
                { "\x1b[2Jx\x7f\x01", "info  store   [2Jx  " },
                { "a\tb", "info  store  a b" },
                { "csi \xc2\x9b"
                  "2J nel \xc2\x85.",
                  "info  store  csi  2J nel  ." },
                { "line \xe2\x80\xa8 paragraph \xe2\x80\xa9.", "info  store  line   paragraph  ." },
                { "\xc2\xa0\xe2\x80\xa7\xed\x95\x9c", "info  store  \xc2\xa0\xe2\x80\xa7\xed\x95\x9c" },
                { "8 bit csi \x9b"
                  "2J",
                  "info  store  8 bit csi ?2J" },
                { "bad \xff\xed\x95 end", "info  store  bad ?? end" },
                { "%s %n", "info  store  %s %n" },
                { "", "info  store  " },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
                is_logged_as_text(rows[i].message, rows[i].line);
}

static void a_json_line_is_json_whatever_goes_in(void **state)
{
        (void)state;
        static const struct {
                const char *message, *out; /* NULL = the same */
        } rows[] = {
                { "plain", NULL },
                { "\"quoted\\\" {}", NULL },
                { "a\nb\tc\x01\x1b\x7f", NULL },
                { "\xed\x95\x9c \xf0\x9f\x98\x80 \xc2\x9b \xe2\x80\xa8", NULL },
                { "bad \xff\xc0\xaf \xed\xa0\x80", "bad ??? ???" },
                { "cut \xed\x95", "cut ?" },
                { "", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                JSON_OWNED json_t *line = logged_as_json(rows[i].message);
                assert_int_equal(json_object_size(line), 4);
                assert_int_equal(strlen(json_text(line, "time", "")), TIME_SIZE - 1);
                assert_string_equal(json_text(line, "level", ""), "warn");
                assert_string_equal(json_text(line, "where", ""), "broker");
                assert_string_equal(json_text(line, "message", "?"), rows[i].out ? rows[i].out : rows[i].message);
        }
}

/* Each kind of character, repeated at each offset beyond any line's length. */
static void a_long_line_is_cut_at_a_character(void **state)
{
        (void)state;
        static const char *const characters[] = { "x", "\"", "\n", "\xc2\x9b", "\xed\x95\x9c", "\xf0\x9f\x98\x80" };
        for (size_t c = 0; c < sizeof(characters) / sizeof(*characters); c++) {
                const size_t width = strlen(characters[c]);
                for (size_t lead = 0; lead < 8; lead++) {
                        char message[9000] = { 0 };
                        memset(message, '.', lead);
                        for (size_t at = lead; at + width < sizeof(message); at += width)
                                memcpy(message + at, characters[c], width);
                        JSON_OWNED json_t *line = logged_as_json(message);
                        const char *text = json_text(line, "message", "");
                        const size_t kept = strlen(text) - 3;
                        assert_string_equal(text + kept, "\xe2\x80\xa6");
                        assert_true(kept > 600 && (kept - lead) % width == 0);
                        assert_memory_equal(text, message, kept);

                        char *plain = written(false, LOG_INFO, "store", message);
                        assert_true(strlen(plain) > 600 && strlen(plain) < 4096);
                        assert_string_equal(plain + strlen(plain) - 3, "\xe2\x80\xa6");
                        free(plain);
                }
        }
}

/* From here on these are secret; the tests above know of none. */
static void secrets_are_hidden(void **state)
{
        (void)state;
        static const struct {
                const char *message, *line;
        } rows[] = {
                { "key=sk-secret", "info  store  key=***" },
                { "sk-secretsk-secret sk-secret", "info  store  ****** ***" },
                { "sk-secre sk_secret", "info  store  sk-secre sk_secret" },
                { "amqp://u:p\"w\\d@host", "info  store  amqp://u:***@host" },
                { "sk-secret-longer", "info  store  ***" },
                { "four five", "info  store  *** five" },
                { "abc is too short to hide", "info  store  abc is too short to hide" },
                { "\xeb\xb9\x84\xeb\xb0\x80!", "info  store  ***!" },
                { "more00 more11", "info  store  *** ***" },
        };
        log_hide("sk-secret");
        log_hide("sk-secret-longer"); /* of two that begin alike the longer one goes first */
        log_hide("p\"w\\d");
        log_hide("four");
        log_hide("abc");
        log_hide("");
        log_hide(NULL);
        log_hide("\xeb\xb9\x84\xeb\xb0\x80");
        for (unsigned i = 0; i < 12; i++) {
                char secret[16];
                snprintf(secret, sizeof(secret), "more%02u", i);
                log_hide(secret);
        }
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
                is_logged_as_text(rows[i].message, rows[i].line);
        JSON_OWNED json_t *line = logged_as_json("a p\"w\\d b");
        assert_string_equal(json_text(line, "message", ""), "a *** b");
}

/* A token of an identity provider has well over a thousand characters. */
static void a_long_secret_is_hidden_too(void **state)
{
        (void)state;
        char secret[1501] = { 0 }, message[1600];
        memset(secret, 'T', sizeof(secret) - 1);
        log_hide(secret);
        snprintf(message, sizeof(message), "token=%s.", secret);
        is_logged_as_text(message, "info  store  token=***.");
}

/* Wherever the line is cut, no beginning of a secret may stand before the cut. */
static void a_cut_leaves_no_part_of_a_secret(void **state)
{
        (void)state;
        log_hide("qwertyuiopasdfgh");
        for (size_t lead = 1900; lead < 4200; lead++) {
                char message[8000] = { 0 };
                memset(message, '.', lead);
                strcat(message, "qwertyuiopasdfgh");
                memset(message + strlen(message), ',', 3000);
                char *line = written(lead % 2 == 0, LOG_INFO, "store", message);
                if (strstr(line, ".q"))
                        fail_msg("%s", strstr(line, ".q"));
                free(line);
        }
}

static void errno_is_left_alone(void **state)
{
        (void)state;
        struct capture c;
        log_setup(LOG_INFO, false);
        start(&c);
        const int real = dup(STDERR_FILENO);
        close(STDERR_FILENO); /* the write fails, and nobody need know */
        errno = ENOENT;
        log_info("test", "into the void");
        const int after = errno;
        dup2(real, STDERR_FILENO);
        close(real);
        stop(&c);
        free(c.text);
        assert_int_equal(after, ENOENT);
}

enum { WRITERS = 4, LINES = 500 };

static void *write_lines(void *arg)
{
        char text[300] = { 0 };
        memset(text, *(const char *)arg, sizeof(text) - 1);
        for (int i = 0; i < LINES; i++)
                log_info("test", "%s", text);
        return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
        (void)state;
        static const char marks[WRITERS] = { 'A', 'B', 'C', 'D' };
        pthread_t threads[WRITERS];
        struct capture c;
        log_setup(LOG_INFO, false);
        start(&c);
        for (size_t i = 0; i < WRITERS; i++)
                pthread_create(&threads[i], NULL, write_lines, (void *)(uintptr_t)&marks[i]);
        for (size_t i = 0; i < WRITERS; i++)
                pthread_join(threads[i], NULL);
        stop(&c);
        assert_int_equal(lines_of(c.text), WRITERS * LINES);
        const size_t head = TIME_SIZE + strlen("info  test   ");
        for (const char *at = c.text; *at; at = strchr(at, '\n') + 1)
                assert_int_equal(strspn(at + head, (char[]){ at[head], '\0' }), 299);
        free(c.text);
}

static void keep_line(const char *line, size_t size, void *arg)
{
        snprintf(arg, 64, "%.*s", (int)(size - TIME_SIZE), line + TIME_SIZE);
}

static void test_a_sink_gets_the_lines(void **state)
{
        char kept[64] = "";
        (void)state;
        log_to(NULL, NULL);
        assert_false(log_enabled(LOG_ERROR));
        log_line(LOG_ERROR, "core", "nobody hears this");
        log_to(keep_line, kept);
        log_setup(LOG_INFO, false);
        log_line(LOG_DEBUG, "core", "too little");
        assert_string_equal(kept, "");
        log_line(LOG_INFO, "core", "one %d", 1);
        assert_string_equal(kept, "info  core   one 1\n");
        log_to(NULL, NULL);
        log_setup(LOG_INFO, false);
        assert_true(log_enabled(LOG_INFO));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_says_when_how_bad_where_and_what),
                cmocka_unit_test(only_what_is_asked_for_is_written),
                cmocka_unit_test(a_silent_debug_line_computes_nothing),
                cmocka_unit_test(no_value_forges_a_line),
                cmocka_unit_test(a_json_line_is_json_whatever_goes_in),
                cmocka_unit_test(a_long_line_is_cut_at_a_character),
                cmocka_unit_test(errno_is_left_alone),
                cmocka_unit_test(lines_of_several_threads_do_not_mix),
                cmocka_unit_test(secrets_are_hidden),
                cmocka_unit_test(a_long_secret_is_hidden_too),
                cmocka_unit_test(a_cut_leaves_no_part_of_a_secret),
                cmocka_unit_test(test_a_sink_gets_the_lines),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
