/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const QUEUES[] = { "scan.vision", "scan.answer", "my.profile", "plain" };
#define QUEUE_COUNT (sizeof(QUEUES) / sizeof(*QUEUES))

static struct topology built(void)
{
        struct topology t;
        assert_int_equal(topology_build(&t, QUEUES, QUEUE_COUNT, true), 0);
        return t;
}

static bool same(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The place of a row, or -1. */
static int find(const struct topology *t, enum topology_kind kind, const char *name, const char *source,
                const char *key)
{
        for (size_t i = 0; i < t->count; i++) {
                const struct topology_row *row = &t->rows[i];
                if (row->kind == kind && same(row->name, name) && same(row->source, source) &&
                    same(row->routing_key, key))
                        return (int)i;
        }
        return -1;
}

static void every_task_queue_has_its_exchange_and_bindings(void **state)
{
        (void)state;
        struct topology t = built();
        static const struct {
                enum topology_kind kind;
                const char *name, *source, *key;
                bool to_exchange;
        } wanted[] = {
                { TOPOLOGY_EXCHANGE, "scan.commands", NULL, NULL, false },
                { TOPOLOGY_EXCHANGE, "my.commands", NULL, NULL, false },
                { TOPOLOGY_EXCHANGE, "plain.commands", NULL, NULL, false },
                { TOPOLOGY_EXCHANGE, "scan.vision", NULL, NULL, false },
                { TOPOLOGY_QUEUE, "scan.vision", NULL, NULL, false },
                { TOPOLOGY_BINDING, "scan.vision", "scan.vision", "scan.vision", false },
                { TOPOLOGY_BINDING, "scan.vision", "scan.vision", "#.scan.vision", false },
                { TOPOLOGY_BINDING, "scan.vision", "scan.commands", "scan.vision", false },
                { TOPOLOGY_BINDING, "my.profile", "my.commands", "my.profile", false },
                { TOPOLOGY_EXCHANGE, "chard.dead", NULL, NULL, false },
                { TOPOLOGY_QUEUE, "scan.vision.dead", NULL, NULL, false },
                { TOPOLOGY_BINDING, "scan.vision.dead", "chard.dead", "scan.vision", false },
                { TOPOLOGY_BINDING, "scan.vision", "celery_delayed_delivery", "#.scan.vision", true },
        };
        for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
                int at = find(&t, wanted[i].kind, wanted[i].name, wanted[i].source, wanted[i].key);
                if (at < 0)
                        fail_msg("missing: %s from %s", wanted[i].name, wanted[i].source);
                assert_int_equal(t.rows[at].to_exchange, wanted[i].to_exchange);
        }
        topology_free(&t);
}

static void a_domain_exchange_is_declared_once(void **state)
{
        (void)state;
        struct topology t = built();
        int count = 0;
        for (size_t i = 0; i < t.count; i++)
                count += t.rows[i].kind == TOPOLOGY_EXCHANGE && same(t.rows[i].name, "scan.commands");
        assert_int_equal(count, 1);
        topology_free(&t);
}

static void a_task_queue_has_no_argument_but_its_type(void **state)
{
        (void)state;
        struct topology t = built();
        const struct topology_row *row = &t.rows[find(&t, TOPOLOGY_QUEUE, "scan.answer", NULL, NULL)];
        assert_int_equal(row->ttl_ms, 0);
        assert_null(row->dead_letter_exchange);
        assert_false(row->overflow_reject);
        assert_false(row->never_drop);
        assert_true(t.rows[find(&t, TOPOLOGY_QUEUE, "scan.answer.dead", NULL, NULL)].never_drop);
        topology_free(&t);
}

/* The figures are what kombu 5.7 declares. */
static void delayed_delivery_is_as_kombu_declares_it(void **state)
{
        (void)state;
        struct topology t = built();
        static const struct {
                const char *name;
                long ttl_ms;
                const char *next, *hold_key, *pass_key;
        } levels[] = {
                { "celery_delayed_27", 134217728000, "celery_delayed_26", "1.#", "0.#" },
                { "celery_delayed_26", 67108864000, "celery_delayed_25", "*.1.#", "*.0.#" },
                { "celery_delayed_24", 16777216000, "celery_delayed_23", "*.*.*.1.#", "*.*.*.0.#" },
                { "celery_delayed_0", 1000, "celery_delayed_delivery",
                  "*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.1.#",
                  "*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.0.#" },
        };
        for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
                const struct topology_row *row = &t.rows[find(&t, TOPOLOGY_QUEUE, levels[i].name, NULL, NULL)];
                assert_int_equal(row->ttl_ms, levels[i].ttl_ms);
                assert_string_equal(row->dead_letter_exchange, levels[i].next);
                assert_true(row->overflow_reject);
                assert_true(find(&t, TOPOLOGY_BINDING, levels[i].name, levels[i].name, levels[i].hold_key) >= 0);
                int pass = find(&t, TOPOLOGY_BINDING, levels[i].next, levels[i].name, levels[i].pass_key);
                assert_true(pass >= 0 && t.rows[pass].to_exchange);
        }
        assert_int_equal(find(&t, TOPOLOGY_QUEUE, "celery_delayed_28", NULL, NULL), -1);
        topology_free(&t);
}

static void what_a_binding_names_is_declared_before_it(void **state)
{
        (void)state;
        struct topology t = built();
        for (size_t i = 0; i < t.count; i++) {
                const struct topology_row *row = &t.rows[i];
                if (row->kind != TOPOLOGY_BINDING)
                        continue;
                int source = find(&t, TOPOLOGY_EXCHANGE, row->source, NULL, NULL);
                int target = find(&t, row->to_exchange ? TOPOLOGY_EXCHANGE : TOPOLOGY_QUEUE, row->name, NULL, NULL);
                assert_in_range(source, 0, i);
                assert_in_range(target, 0, i);
        }
        topology_free(&t);
}

static void printing_gives_one_line_a_row(void **state)
{
        (void)state;
        struct topology t = built();
        char *text = NULL;
        size_t size = 0, lines = 0;
        FILE *out = open_memstream(&text, &size);
        topology_print(&t, out);
        fclose(out);
        for (size_t i = 0; i < size; i++)
                lines += text[i] == '\n';
        assert_int_equal(lines, t.count);
        free(text);
        topology_free(&t);
}

static void no_queues_is_a_topology_too(void **state)
{
        (void)state;
        struct topology t;
        assert_int_equal(topology_build(&t, NULL, 0, true), 0);
        assert_int_equal(find(&t, TOPOLOGY_EXCHANGE, "chard.dead", NULL, NULL), 0);
        topology_free(&t);
}

static void without_native_delay_the_task_queues_alone_are_declared(void **state)
{
        (void)state;
        struct topology t;
        assert_int_equal(topology_build(&t, QUEUES, QUEUE_COUNT, false), 0);
        for (size_t i = 0; i < t.count; i++) {
                const struct topology_row *row = &t.rows[i];
                assert_null(strstr(row->name, "celery_delayed"));
                assert_true(!row->source || !strstr(row->source, "celery_delayed"));
                assert_true(row->kind != TOPOLOGY_QUEUE || row->ttl_ms == 0);
        }
        assert_true(find(&t, TOPOLOGY_QUEUE, "scan.vision", NULL, NULL) >= 0);
        assert_true(find(&t, TOPOLOGY_QUEUE, "scan.vision.dead", NULL, NULL) >= 0);
        topology_free(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_task_queue_has_its_exchange_and_bindings),
                cmocka_unit_test(a_domain_exchange_is_declared_once),
                cmocka_unit_test(a_task_queue_has_no_argument_but_its_type),
                cmocka_unit_test(delayed_delivery_is_as_kombu_declares_it),
                cmocka_unit_test(what_a_binding_names_is_declared_before_it),
                cmocka_unit_test(printing_gives_one_line_a_row),
                cmocka_unit_test(no_queues_is_a_topology_too),
                cmocka_unit_test(without_native_delay_the_task_queues_alone_are_declared),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
