/* SPDX-License-Identifier: Apache-2.0 */
/* What a queue's settings lose, from what RabbitMQ's management API says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note(enum risk risk, const char *queue, const char *text, void *arg)
{
        char *out = arg;
        const size_t size = strlen(out);
        assert_string_equal(queue, "q");
        snprintf(out + size, 1024 - size, "%s%s;", risk == RISK_LOSS ? "LOSES " : "note ", text);
}

/* Arguments and policies of a durable quorum queue, the broker's version, the role, the route, and what is told of it, in part. */
static const struct {
        const char *arguments, *policies;
        unsigned major;
        enum queue_role role;
        enum dead_route route;
        const char *told[3]; /* none: nothing may be told */
} CASES[] = {
        { "{}",
          "{}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_NONE,
          { "LOSES has no dead-letter exchange: lost is what its sender lets expire (expires) while nobody consumes;" } },
        { "{}",
          "[]",
          4,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_NONE,
          { "LOSES has no dead-letter exchange: lost is what was delivered 20 times (delivery-limit), and what its sender lets expire" } },
        { "{}", "{\"delivery-limit\":1000000}", 4, QUEUE_OF_TASKS, DEAD_ROUTE_NONE, { "lost is what its sender" } },
        { "{}", "{\"delivery-limit\":1000000}", 4, QUEUE_OF_TASKS, DEAD_ROUTE_OPEN, { NULL } },
        { "{}",
          "{}",
          4,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_OPEN,
          { "note what was delivered 20 times (delivery-limit) becomes a dead letter;" } },
        { "{}", "{}", 3, QUEUE_OF_TASKS, DEAD_ROUTE_OPEN, { NULL } },
        { "{\"x-delivery-limit\":5}",
          "{\"delivery-limit\":1000000}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_OPEN,
          { "delivered 5 times" } },
        { "{\"x-delivery-limit\":-1}", "{}", 4, QUEUE_OF_DEAD_LETTERS, DEAD_ROUTE_NONE, { NULL } },
        { "{\"x-delivery-limit\":-1}",
          "{\"delivery-limit\":30}",
          4,
          QUEUE_OF_DEAD_LETTERS,
          DEAD_ROUTE_NONE,
          { "lost is what was delivered 30 times" } },
        { "{}",
          "{}",
          4,
          QUEUE_OF_DEAD_LETTERS,
          DEAD_ROUTE_NONE,
          { "LOSES has no dead-letter exchange: lost is what was delivered 20 times (delivery-limit);" } },
        { "{}", "{}", 3, QUEUE_OF_DEAD_LETTERS, DEAD_ROUTE_NONE, { NULL } },
        { "{\"x-message-ttl\":9000}",
          "{\"message-ttl\":1500}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_NONE,
          { "what waits longer than 1500 ms (message-ttl)" } },
        { "{\"x-message-ttl\":9000}",
          "{}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_OPEN,
          { "note what waits longer than 9 s (message-ttl) becomes a dead letter" } },
        { "{\"x-max-length\":10}",
          "{\"max-length-bytes\":77}",
          3,
          QUEUE_OF_DEAD_LETTERS,
          DEAD_ROUTE_NONE,
          { "LOSES",
            "the oldest of more than 10 messages (max-length, overflow drop-head), and the oldest of more than 77 bytes" } },
        { "{\"x-max-length\":10,\"x-overflow\":\"reject-publish\"}",
          "{\"overflow\":\"drop-head\"}",
          3,
          QUEUE_OF_DEAD_LETTERS,
          DEAD_ROUTE_NONE,
          { NULL } },
        { "{}",
          "{\"max-length\":10,\"overflow\":\"drop-head\"}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_OPEN,
          { "note the oldest of more than 10 messages" } },
        { "{}",
          "{\"expires\":600000}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_OPEN,
          { "LOSES is deleted, with all that it holds, when nobody consumes for 600 s (expires);" } },
        { "{\"x-dead-letter-exchange\":\"gone\"}",
          "{\"dead-letter-exchange\":\"chard.dead\"}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_MISSING,
          { "LOSES has the dead-letter exchange gone, which is not there: lost is what its sender" } },
        { "{}",
          "{\"dead-letter-exchange\":\"x\",\"dead-letter-routing-key\":\"k\"}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_UNBOUND,
          { "LOSES has the dead-letter exchange x, where no queue takes the key k: lost is" } },
        { "{}",
          "{\"dead-letter-exchange\":\"x\"}",
          3,
          QUEUE_OF_TASKS,
          DEAD_ROUTE_UNBOUND,
          { "LOSES has the dead-letter exchange x without a dead-letter-routing-key" } },
        { "{\"x-message-ttl\":1000,\"x-dead-letter-exchange\":\"celery_delayed_0\"}",
          "{}",
          4,
          QUEUE_OF_DELAY,
          DEAD_ROUTE_OPEN,
          { NULL } },
        { "{\"x-message-ttl\":1000}",
          "{\"expires\":50}",
          4,
          QUEUE_OF_DELAY,
          DEAD_ROUTE_OPEN,
          { "when nobody consumes for 50 ms" } },
};

static void settings_that_lose_messages_are_told(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
                char text[1024], told[1024] = "";
                struct queue_limits limits;
                snprintf(text, sizeof(text),
                         "{\"name\":\"q\",\"type\":\"quorum\",\"durable\":true,\"auto_delete\":false,"
                         "\"arguments\":%s,\"definition\":%s}",
                         CASES[i].arguments, CASES[i].policies);
                json_t *queue = json_loads(text, 0, NULL);
                assert_non_null(queue);
                queue_limits_read(queue, queue, NULL, CASES[i].major, &limits); /* both in one object */
                queue_limits_judge("q", CASES[i].role, &limits, CASES[i].route, note, told);
                for (size_t n = 0; n < 3 && CASES[i].told[n]; n++)
                        if (!strstr(told, CASES[i].told[n]))
                                fail_msg("case %zu: \"%s\" does not say \"%s\"", i, told, CASES[i].told[n]);
                if (!CASES[i].told[0] && *told)
                        fail_msg("case %zu: %s", i, told);
                json_decref(queue);
        }
}

static void a_queue_that_does_not_last_is_told(void **state)
{
        (void)state;
        char told[1024] = "";
        struct queue_limits limits;
        json_t *queue = json_loads("{\"type\":\"classic\",\"durable\":false,\"auto_delete\":true}", 0, NULL);
        queue_limits_read(queue, NULL, NULL, 4, &limits);
        assert_int_equal(limits.deliveries, -1); /* a classic queue has no such limit */
        queue_limits_judge("q", QUEUE_OF_TASKS, &limits, DEAD_ROUTE_OPEN, note, told);
        assert_non_null(strstr(told, "LOSES is not durable"));
        assert_non_null(strstr(told, "LOSES is deleted, with all that it holds, when its last consumer goes"));
        json_decref(queue);
}

static void bindings_that_take_a_key(void **state)
{
        (void)state;
        static const struct {
                const char *bindings, *type, *key;
                bool taken;
        } cases[] = {
                { "[]", "topic", "k", false },
                { "[]", "fanout", "k", false },
                { "[{\"routing_key\":\"other\"},{\"routing_key\":\"k\"}]", "topic", "k", true },
                { "[{\"routing_key\":\"other\"}]", "topic", "k", false },
                { "[{\"routing_key\":\"#\"}]", "topic", NULL, true },
                { "[{\"routing_key\":\"#\"}]", "direct", "k", false },
                { "[{\"routing_key\":\"k\"}]", "direct", "k", true },
                { "[{\"routing_key\":\"k\"}]", "topic", NULL, false },
                { "[{\"routing_key\":\"\"}]", "fanout", NULL, true },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                json_t *bindings = json_loads(cases[i].bindings, 0, NULL);
                if (bindings_route(bindings, cases[i].type, cases[i].key) != cases[i].taken)
                        fail_msg("case %zu", i);
                json_decref(bindings);
        }
}

static void the_policy_that_applies(void **state)
{
        (void)state;
        static const struct {
                const char *policies, *name, *unread;
        } cases[] = {
                { "[]", NULL, NULL },
                { "[{\"name\":\"a\",\"pattern\":\"^scan\\\\.\",\"priority\":1},{\"name\":\"b\",\"pattern\":\".*\",\"priority\":0}]",
                  "a", NULL },
                { "[{\"name\":\"a\",\"pattern\":\"^scan\\\\.\",\"priority\":1},{\"name\":\"b\",\"pattern\":\".*\",\"priority\":2}]",
                  "b", NULL },
                { "[{\"name\":\"a\",\"pattern\":\"vision$\",\"apply-to\":\"exchanges\"}]", NULL, NULL },
                { "[{\"name\":\"a\",\"pattern\":\"vision$\",\"apply-to\":\"classic_queues\"}]", NULL, NULL },
                { "[{\"name\":\"a\",\"pattern\":\"vision$\",\"apply-to\":\"quorum_queues\"}]", "a", NULL },
                { "[{\"name\":\"a\",\"pattern\":\"^(?!amq)\",\"apply-to\":\"queues\"}]", NULL, "a" },
                { "[{\"name\":\"a\",\"pattern\":\"(\",\"apply-to\":\"queues\"}]", NULL, "a" },
                { "[{\"name\":\"a\",\"pattern\":\"^s\",\"definition\":{\"expires\":9,\"queue-mode\":\"lazy\"}}]", NULL,
                  NULL },
                { "[{\"name\":\"a\",\"pattern\":\"^s\",\"definition\":{\"expires\":9,\"delivery-limit\":7}}]", "a",
                  NULL },
        };
        static const struct {
                const char *definition;
                bool classic, quorum;
        } fitting[] = {
                { "{\"expires\":9,\"message-ttl\":9,\"max-length\":9,\"overflow\":\"drop-head\"}", true, true },
                { "{\"expires\":9,\"delivery-limit\":9}", false, true },
                { "{\"dead-letter-strategy\":\"at-most-once\"}", false, true },
                { "{\"queue-mode\":\"lazy\"}", true, false },
                { "{\"ha-mode\":\"all\"}", true, false },
                { "{\"max-age\":\"1h\"}", false, false },
                { "{\"initial-cluster-size\":1}", false, false },
                { "{\"stream-max-segment-size-bytes\":1000000}", false, false },
        };
        for (size_t i = 0; i < 2 * sizeof(fitting) / sizeof(*fitting); i++) {
                const bool quorum = i % 2, fits = quorum ? fitting[i / 2].quorum : fitting[i / 2].classic;
                json_t *policy = json_loads(fitting[i / 2].definition, 0, NULL);
                json_t *policies = json_pack("[{s:s, s:s, s:o}]", "name", "a", "pattern", "^q$", "definition", policy);
                json_t *queue = json_pack("{s:s, s:s}", "name", "q", "type", quorum ? "quorum" : "classic");
                if ((policy_of_queue(policies, queue, NULL) != NULL) != fits)
                        fail_msg("%s of a %s queue", fitting[i / 2].definition, quorum ? "quorum" : "classic");
                json_decref(queue);
                json_decref(policies);
        }
        json_t *queue = json_loads("{\"name\":\"scan.vision\",\"type\":\"quorum\"}", 0, NULL);
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                const char *unread = NULL;
                json_t *policies = json_loads(cases[i].policies, 0, NULL);
                const char *name =
                        json_string_value(json_object_get(policy_of_queue(policies, queue, &unread), "name"));
                if (strcmp(name ? name : "", cases[i].name ? cases[i].name : "") != 0 ||
                    strcmp(unread ? unread : "", cases[i].unread ? cases[i].unread : "") != 0)
                        fail_msg("case %zu: %s, unread %s", i, name, unread);
                json_decref(policies);
        }
        json_decref(queue);
}

static void operators_policies_limit_others(void **state)
{
        (void)state;
        struct queue_limits limits;
        json_t *queue = json_loads("{\"name\":\"q\",\"type\":\"quorum\"}", 0, NULL);
        json_t *policy = json_loads(
                "{\"definition\":{\"message-ttl\":900,\"max-length\":5,\"dead-letter-exchange\":\"x\"}}", 0, NULL);
        json_t *other = json_loads("{\"definition\":{\"message-ttl\":1000,\"max-length\":4,\"expires\":7}}", 0, NULL);
        queue_limits_read(queue, policy, other, 3, &limits);
        assert_int_equal(limits.ttl_ms, 900);
        assert_int_equal(limits.length, 4);
        assert_int_equal(limits.unused_ms, 7);
        assert_string_equal(limits.dead_exchange, "x");
        json_decref(queue);
        json_decref(policy);
        json_decref(other);
}

static void a_policy_is_for_one_queue(void **state)
{
        (void)state;
        char *pattern = queue_policy_pattern("a.b+c(d)'\\"), *name = queue_policy_name("scan.vision");
        assert_string_equal(pattern, "^a\\.b\\+c\\(d\\)'\\\\$");
        assert_string_equal(name, "chard-scan.vision");
        free(pattern);
        free(name);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(settings_that_lose_messages_are_told),
                cmocka_unit_test(a_queue_that_does_not_last_is_told),
                cmocka_unit_test(bindings_that_take_a_key),
                cmocka_unit_test(the_policy_that_applies),
                cmocka_unit_test(operators_policies_limit_others),
                cmocka_unit_test(a_policy_is_for_one_queue),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
