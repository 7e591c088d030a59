/* SPDX-License-Identifier: Apache-2.0 */
/* What a client is told of a message that the broker, and perhaps the store as well, was asked to keep: "no" only where nobody has it. */
#include "jobs/own.h"
#include "store/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct asked {
        struct broker broker;
        struct store store;
        publish_done *published;
        void *published_arg;
        store_done *kept;
        void *kept_arg;
        unsigned told;
        char code[256]; /* "": it is safe */
};

static void fake_publish(struct broker *b, struct message *takes, publish_done *done, void *arg)
{
        struct asked *a = (struct asked *)(void *)b;
        message_free(takes);
        a->published = done;
        a->published_arg = arg;
}

static void fake_health(const struct broker *b, struct broker_health *out)
{
        (void)b;
        *out = (struct broker_health){ .state = BROKER_UP, .publisher_up = true };
}

static void fake_keep(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg)
{
        struct asked *a = (struct asked *)(void *)((char *)s - offsetof(struct asked, store));
        (void)scheduled;
        a->kept = done;
        a->kept_arg = arg;
}

static void on_told(const char *id, const struct problem *why, void *arg)
{
        struct asked *a = arg;
        assert_string_equal(id, "id");
        a->told++;
        snprintf(a->code, sizeof(a->code), "%s", why ? why->code : "");
}

enum { NOT_ASKED = -1 };

/* The broker answers while the store still thinks, then the store does; or the other way round. */
static const struct answers {
        enum publish_result broker;
        int store;              /* enum store_result, or NOT_ASKED */
        unsigned told_at_first; /* behind the first answer */
        const char *code;
        bool store_first;
} answers[] = {
        { PUBLISH_CONFIRMED, NOT_ASKED, 1, "", false },
        { PUBLISH_RETURNED, NOT_ASKED, 1, "returned", false },
        { PUBLISH_REFUSED, NOT_ASKED, 1, "refused", false },
        { PUBLISH_CLOSED, NOT_ASKED, 1, "closed", false },
        { PUBLISH_CONFIRMED, STORE_REFUSED, 1, "", false },
        { PUBLISH_RETURNED, STORE_DONE, 0, "", false },
        { PUBLISH_REFUSED, STORE_DONE, 0, "", false },
        { PUBLISH_CLOSED, STORE_DONE, 0, "", false },
        { PUBLISH_REFUSED, STORE_REFUSED, 0, "unkept", false },
        { PUBLISH_CONFIRMED, STORE_DONE, 1, "", true },
        { PUBLISH_RETURNED, STORE_DONE, 1, "", true },
        { PUBLISH_REFUSED, STORE_DONE, 1, "", true },
        { PUBLISH_CLOSED, STORE_DONE, 1, "", true },
        { PUBLISH_CONFIRMED, STORE_REFUSED, 0, "", true },
        { PUBLISH_CONFIRMED, STORE_CLOSED, 0, "", true },
        { PUBLISH_RETURNED, STORE_REFUSED, 0, "returned", true },
        { PUBLISH_REFUSED, STORE_CLOSED, 0, "refused", true },
        { PUBLISH_CLOSED, STORE_REFUSED, 0, "closed", true },
};

static struct message *nothing_much(void)
{
        struct message *m = message_new("", "q", bytes_of("", 0), bytes_of("", 0));
        assert_non_null(m);
        return m;
}

static void try_answers(const struct answers *row)
{
        static const struct broker_backend backend = { .publish = fake_publish, .health = fake_health };
        static const struct store_schedule schedule = { .add = fake_keep };
        const struct problem no = { .source = "store", .code = "unkept", .text = "no" };
        struct asked a = { .broker.backend = &backend, .store.schedule = &schedule };
        uv_loop_t loop;
        uv_loop_init(&loop);
        struct jobs j = { .loop = &loop, .store = &a.store, .broker = &a.broker };
        struct problem why = { 0 };
        assert_int_equal(jobs_outlast(&j, row->store == NOT_ASKED ? 60000 : 1), 0);
        assert_int_equal(hand_over(&j, nothing_much(), "id", on_told, &a, &why), 0);
        while (row->store != NOT_ASKED && !a.kept)
                uv_run(&loop, UV_RUN_ONCE);
        for (unsigned answer = 0; answer < (a.kept ? 2 : 1); answer++) {
                if (row->store_first == (answer == 1))
                        a.published(row->broker, a.published_arg);
                else
                        a.kept((enum store_result)row->store, bytes_of(NULL, 0), row->store == STORE_DONE ? NULL : &no,
                               a.kept_arg);
                assert_int_equal(a.told, answer == 0 ? row->told_at_first : 1);
        }
        assert_string_equal(a.code, row->code);
        outlast_close(j.outlast);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
}

static void no_is_said_where_nobody_has_it(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
                try_answers(&answers[i]);
}

static void broker_is_away(const struct broker *b, struct broker_health *out)
{
        (void)b;
        *out = (struct broker_health){ .state = BROKER_DOWN };
}

static bool store_is_away(const struct store *s)
{
        (void)s;
        return false;
}

static void what_nobody_can_keep_is_refused_at_once(void **state)
{
        (void)state;
        static const struct broker_backend broker = { .publish = fake_publish, .health = broker_is_away };
        static const struct store_backend store = { .up = store_is_away };
        struct asked a = { .broker.backend = &broker, .store.backend = &store };
        struct problem why = { 0 };
        uv_loop_t loop;
        uv_loop_init(&loop);
        struct jobs j = { .loop = &loop, .store = &a.store, .broker = &a.broker };
        assert_int_equal(jobs_outlast(&j, 60000), 0);
        assert_int_not_equal(hand_over(&j, nothing_much(), "id", on_told, &a, &why), 0);
        assert_string_equal(why.source, "store");
        assert_string_equal(why.code, "away");
        assert_int_equal(a.told, 0);
        outlast_close(j.outlast);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(no_is_said_where_nobody_has_it),
                                            cmocka_unit_test(what_nobody_can_keep_is_refused_at_once) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
