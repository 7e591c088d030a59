/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of the duties: when a dead letter is sent back by itself, when a job is stale, what a room is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/json.h"
#include "duties/policy.h"
#include "duties/sweep.h"
#include "duties/webhook.h"
#include "pipelines/pipeline.h"
#include "tests/unit/task_try.h"
#include "worker/health/rates.h"

#include <stdlib.h>
#include <string.h>

/* ---- rules of automatic reprocessing, and the rates that they look at ---- */

/* The wait doubles with each round, up to the longest that a rule may name, whatever the round. */
static void a_policy_s_wait_grows_to_its_limit(void **state)
{
        (void)state;
        static const int64_t day_ms = 86400000, most_ms = POLICY_MOST_DAYS * day_ms;
        static const struct {
                const char *rules;
                unsigned round;
                int64_t wait_ms;
        } rows[] = {
                { "* x after=1ms", 0, 1 },
                { "* x after=1ms", 20, 1 << 20 },
                { "* x after=1ms", 21, 1 << 20 },
                { "* x after=1ms", UINT32_MAX, 1 << 20 },
                { "* x after=1825d", 1, 3650 * day_ms },
                { "* x after=1826d", 1, most_ms },
                { "* x after=3650d", 0, most_ms },
                { "* x after=3650d", 20, most_ms },
                { "* x after=3650d", UINT32_MAX, most_ms },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct policy p;
                struct problem why;
                assert_int_equal(policy_read(&p, rows[i].rules, &why), 0);
                const int64_t wait_ms = policy_wait_ms(&p.rules[0], rows[i].round);
                policy_free(&p);
                if (wait_ms != rows[i].wait_ms)
                        fail_msg("%s, round %u: %lld ms", rows[i].rules, rows[i].round, (long long)wait_ms);
        }
}

static void policies(void **state)
{
        (void)state;
        struct policy p;
        struct problem why;
        assert_int_equal(
                policy_read(&p, "scan.* timeout,http_5* after=90s rounds=2 errors=50% rate=7/s; * connection ;", &why),
                0);
        assert_int_equal(p.count, 2);
        assert_null(policy_find(&p, "chat.answer", "timeout", "transient"));
        const struct policy_rule *rule = policy_find(&p, "scan.vision", "http_503", "");
        assert_ptr_equal(rule, &p.rules[0]);
        assert_int_equal(rule->rounds, 2);
        assert_int_equal(rule->errors, 50);
        assert_int_equal(rule->rate, 7);
        assert_int_equal(policy_wait_ms(rule, 0), 90000);
        assert_int_equal(policy_wait_ms(rule, 2), 360000);
        rule = policy_find(&p, "chat.answer", "connection", "");
        assert_int_equal(rule->after_ms, 300000);
        assert_int_equal(rule->rounds, 3);
        policy_free(&p);
        assert_int_equal(policy_read(&p, "* transient,timeout", &why), 0);
        assert_non_null(policy_find(&p, "t", "a_word_of_some_vendor", "transient"));
        assert_non_null(policy_find(&p, "t", "timeout", ""));
        assert_null(policy_find(&p, "t", "a_word_of_some_vendor", "permanent"));
        assert_null(policy_find(&p, "t", "a_word_of_some_vendor", ""));
        policy_free(&p);
        static const char *const bad[] = { "scan.*",
                                           "scan.* after=5m",
                                           "* x after=1000000d",
                                           "* x after=3651d",
                                           "* x after=99999999999999999999s",
                                           "* x rounds=-1",
                                           "* x often=1",
                                           "* x rate=0/s",
                                           "* x errors=101%",
                                           "* x y",
                                           "scan.* ,",
                                           "scan.* ,, after=5m" };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_int_equal(policy_read(&p, bad[i], &why), 1);
                assert_string_equal(why.code, "bad_setting");
                policy_free(&p);
        }
        assert_int_equal(policy_read(&p, "", &why), 0);
        assert_int_equal(p.count, 0);
        policy_free(&p);
}

static void rates(void **state)
{
        (void)state;
        static const struct rates ok = { .ok = 1, .took_ms = 40, .cost_nano = 7 },
                                  failed = { .failed = 1, .cost_nano = 2 };
        struct rates_row row = { 0 };
        rates_count(&row, &ok, 0);
        rates_count(&row, &failed, 59999);
        rates_count(&row, &failed, 60000);
        struct rates sums = rates_sum(&row, 60000);
        assert_int_equal(sums.ok, 1);
        assert_int_equal(sums.failed, 2);
        assert_int_equal(sums.took_ms, 40);
        assert_int_equal(sums.cost_nano, 11);
        sums = rates_sum(&row, 5 * 60000);
        assert_int_equal(sums.ok + sums.failed, 1);
        rates_count(&row, &ok, 6 * 60000);
        sums = rates_sum(&row, 6 * 60000);
        assert_int_equal(sums.ok, 1);
        assert_int_equal(sums.failed, 0);
        assert_int_equal(sums.cost_nano, 7);
}

/* ---- stale jobs ---- */

static void how_long_a_pipeline_may_take(void **state)
{
        (void)state;
        const struct pipeline *const *all = catalog_pipelines(shipped());
        for (size_t i = 0; all[i]; i++) {
                int64_t least = 0;
                for (size_t n = 0; all[i]->steps[n]; n++) {
                        const struct task_def *def = catalog_task(shipped(), all[i]->steps[n])->def;
                        least += (int64_t)def->deadline_ms * (def->retry.limit + 1);
                }
                assert_true(sweep_pipeline_ms(shipped(), all[i], 0) >= least);
                assert_true(sweep_pipeline_ms(shipped(), all[i], 1) < least);
        }
}

/* ---- rooms ---- */

static void webhook_addresses(void **state)
{
        (void)state;
        static const struct {
                const char *url;
                bool ok;
        } rows[] = {
                { "https://hooks.slack.com/services/T/B/x", true },
                { "http://127.0.0.1:8080/x", true },
                { "hooks.slack.com/services/T/B/x", false },
                { "ftp://example.com/", false },
                { "https://", false },
                { "nonsense", false },
                { "https://exa mple.com/", false },
                { "file:///etc/passwd", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (webhook_is_url(rows[i].url) != rows[i].ok)
                        fail_msg("%s", rows[i].url);
}

static void what_a_room_is_told(void **state)
{
        (void)state;
        json_t *groups = json_loads(
                "[{\"group\":\"g1\",\"name\":\"scan.vision\",\"code\":\"timeout\",\"cause\":\"no answer\",\"count\":1,\"new\":true,\"before\":0},"
                "{\"group\":\"g2\",\"name\":\"chat.answer\",\"code\":\"x\",\"cause\":\"y\",\"count\":40,\"new\":false,\"before\":12}]",
                0, NULL);
        static const struct {
                const char *shape, *url, *key;
        } rows[] = {
                { "", "https://hooks.slack.com/services/x", "text" },
                { "", "https://discord.com/api/webhooks/1/x", "content" },
                { "discord", "http://127.0.0.1/", "content" },
                { "slack", "https://discord.com/api/webhooks/1/x/slack", "text" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *body = webhook_body(rows[i].shape, rows[i].url, groups);
                json_t *parsed = json_loads(body, 0, NULL);
                const char *text = json_text(parsed, rows[i].key, NULL);
                assert_non_null(text);
                assert_non_null(strstr(text, "1 entry (new)"));
                assert_non_null(strstr(text, "40 entries (12 before)"));
                json_decref(parsed);
                free(body);
        }
        json_decref(groups);
}

static json_t *body_for(const char *shape, const json_t *groups)
{
        char *body = webhook_body(shape, "", groups);
        json_t *parsed = json_loads(body, 0, NULL);
        free(body);
        return parsed;
}

/* What a letter says is said as it stands: it calls nobody, links nowhere, and begins no line of its own. */
static void what_a_letter_says_is_no_markup(void **state)
{
        (void)state;
        json_t *groups = json_loads(
                "[{\"group\":\"g1\",\"name\":\"a<b\",\"code\":\"<!here>\",\"count\":1,\"new\":true,\"before\":0,\"cause\":"
                "\"<!channel> & <http://x.example|chard>\\n\\u001b[2J\\u009b@everyone \\u00e9\"}]",
                0, NULL);
        json_t *slack = body_for("slack", groups);
        json_t *discord = body_for("discord", groups);
        assert_non_null(strstr(json_text(slack, "text", ""),
                               "• a&lt;b &lt;!here&gt;: 1 entry (new) — &lt;!channel&gt; &amp; "
                               "&lt;http://x.example|chard&gt;  [2J @everyone é — "));
        assert_non_null(
                strstr(json_text(discord, "content", ""), "<!channel> & <http://x.example|chard>  [2J @everyone é"));
        json_t *parse = json_object_get(json_object_get(discord, "allowed_mentions"), "parse");
        assert_true(json_is_array(parse) && json_array_size(parse) == 0);
        json_decref(slack);
        json_decref(discord);
        json_decref(groups);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(policies),
                cmocka_unit_test(a_policy_s_wait_grows_to_its_limit),
                cmocka_unit_test(rates),
                cmocka_unit_test(how_long_a_pipeline_may_take),
                cmocka_unit_test(webhook_addresses),
                cmocka_unit_test(what_a_room_is_told),
                cmocka_unit_test(what_a_letter_says_is_no_markup),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
