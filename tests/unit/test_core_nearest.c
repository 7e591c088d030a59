/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/nearest.h"
#include "core/settings/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
        const char *typed, *nearest; /* NULL = none */
};

static void each(const struct row *rows, size_t count, const char *const names[], size_t name_count)
{
        for (size_t i = 0; i < count; i++) {
                const char *found = nearest_name(rows[i].typed, names, name_count);
                if (!found != !rows[i].nearest || (found && strcmp(found, rows[i].nearest) != 0))
                        fail_msg("\"%s\" gave %s", rows[i].typed, found ? found : "nothing");
        }
}
#define EACH(rows, names, name_count) each(rows, sizeof(rows) / sizeof(*(rows)), names, name_count)

static void a_misspelt_flag_finds_the_one_that_was_meant(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "--brokr-url", "--broker-url" },
                { "--broker-ulr", "--broker-url" },
                { "--broker_url", "--broker-url" },
                { "--brokerurl", "--broker-url" },
                { "--Broker-URL", "--broker-url" },
                { "-broker-url", "--broker-url" },
                { "--sotre-url", "--store-url" },
                { "--slot", "--slots" },
                { "--slotss", "--slots" },
                { "--que", NULL },
                { "--queue", "--queues" },
                { "--nmae", "--name" },
                { "--log-leval", "--log-level" },
                { "--loglevel", "--log-level" },
                { "--openai-vison-modle", "--openai-vision-model" },
                { "--max-starst", "--max-starts" },
                { "--lease-slak-ms", "--lease-slack-ms" },
                /* the first or the last words of a name */
                { "--grace", "--grace-ms" },
                { "--hold", "--hold-ms" },
                { "--heartbeat", "--heartbeat-s" },
                { "--level", "--log-level" },
                { "--api-key", "--openai-api-key" },
                { "--provider", "--ai-provider" },
                /* unrelated */
                { "--wait", NULL },
                { "--json", NULL },
                { "--foo", NULL },
                { "--help", NULL },
                { "--verbose", NULL },
                { "--concurrency", NULL },
                { "--pool", NULL },
                { "-x", NULL },
                { "-", NULL },
                { "--", NULL },
                { "", NULL },
        };
        const char *names[SETTING_COUNT];
        for (size_t i = 0; i < SETTING_COUNT; i++)
                names[i] = setting_table[i].flag;
        EACH(rows, names, SETTING_COUNT);
}

static void a_misspelt_variable_finds_the_one_that_was_meant(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "CHARD_BROKER_ULR", "CHARD_BROKER_URL" },
                { "CHARD_BROKR_URL", "CHARD_BROKER_URL" },
                { "CHARD_BROKER", "CHARD_BROKER_URL" },
                { "CHARD_STOREURL", "CHARD_STORE_URL" },
                { "CHARD_SLOT", "CHARD_SLOTS" },
                { "CHARD_NAMES", "CHARD_NAME" },
                { "CHARD_LOGLEVEL", "CHARD_LOG_LEVEL" },
                { "CHARD_OPENAI_API_KEY", "OPENAI_API_KEY" },
                { "CHARD_OPENAI_BASE_URL", "OPENAI_BASE_URL" },
                { "CHARD_FOO", NULL },
                { "CHARD_HOME", NULL },
                { "CHARD_VERSION", NULL },
                { "CHARD_DEBUG", NULL },
                { "CHARD_", NULL },
        };
        const char *names[SETTING_COUNT];
        for (size_t i = 0; i < SETTING_COUNT; i++)
                names[i] = setting_table[i].env;
        EACH(rows, names, SETTING_COUNT);
}

static void plain_words_have_no_mark_to_leave_out(void **state)
{
        (void)state;
        static const char *const levels[] = { "debug", "info", "warn", "error" };
        static const char *const queues[] = { "scan.vision", "scan.answer", "scan.reward", "chat.classify",
                                              "my.profile" };
        static const struct row level_rows[] = {
                { "debgu", "debug" }, { "inof", "info" }, { "DEBUG", "debug" }, { "eror", "error" },
                { "none", NULL },     { "trace", NULL },  { "", NULL },         { "\xed\x95\x9c", NULL },
        };
        static const struct row queue_rows[] = {
                { "scan.visoin", "scan.vision" },
                { "scan-answer", "scan.answer" },
                { "vision", "scan.vision" },
                { "profile", "my.profile" },
                { "chat.foo", NULL },
                { "celery", NULL },
        };
        EACH(level_rows, levels, 4);
        EACH(queue_rows, queues, 5);
}

static void of_two_as_near_the_first_is_taken(void **state)
{
        (void)state;
        static const char *const names[] = { "aaa1", "aaa2", "aaa12" };
        assert_ptr_equal(nearest_name("aaa3", names, 3), names[0]);
        assert_ptr_equal(nearest_name("aaa2x", names, 3), names[1]);
        assert_ptr_equal(nearest_name("aaa12x", names, 3), names[2]);
}

static void nothing_to_choose_from_gives_nothing(void **state)
{
        (void)state;
        static const char *const empty[] = { "" };
        assert_null(nearest_name("word", empty, 0));
        assert_null(nearest_name("word", empty, 1));
        assert_null(nearest_name("", empty, 1));
}

/* Whatever its length, and whatever the names' lengths are. */
static void long_words_are_never_near(void **state)
{
        (void)state;
        for (size_t length = 60; length < 300; length++) {
                char typed[301] = { 0 }, name[301] = { 0 };
                memset(typed, 'a', length);
                memset(name, 'a', length);
                name[0] = 'b';
                const char *const names[] = { name };
                const char *found = nearest_name(typed, names, 1);
                assert_true(found == NULL || (found == name && length < 64));
                assert_true(found != NULL || length >= 64);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_misspelt_flag_finds_the_one_that_was_meant),
                cmocka_unit_test(a_misspelt_variable_finds_the_one_that_was_meant),
                cmocka_unit_test(plain_words_have_no_mark_to_leave_out),
                cmocka_unit_test(of_two_as_near_the_first_is_taken),
                cmocka_unit_test(nothing_to_choose_from_gives_nothing),
                cmocka_unit_test(long_words_are_never_near),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
