/* SPDX-License-Identifier: Apache-2.0 */
/* A task's end without any server: the store, the broker and the results are fakes that answer as they are told, at once or when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/json.h"
#include "tests/unit/message_support.h"
#include "tests/unit/task_try.h"
#include "worker/run.h"

#include <stdlib.h>
#include <string.h>

/* ---- the doors ---- */

enum { MOST = 32 };

struct call {
        publish_done *published;
        results_done *answered;
        void *arg;
};

static struct fake {
        struct broker broker;
        struct results_sink sink;
        struct store store;
        bool at_once; /* refuse a publish from inside, as a broker does when memory runs out */
        struct call calls[MOST];
        size_t count;
        unsigned published, begun, stored, parts, ended, acked, handed_back;
        char last_result[2048];
} fake;

static void later(publish_done *published, results_done *answered, void *arg)
{
        assert_true(fake.count < MOST);
        fake.calls[fake.count++] = (struct call){ published, answered, arg };
}

static void fake_publish(struct broker *b, struct message *takes, publish_done *done, void *arg)
{
        (void)b;
        message_free(takes);
        fake.published++;
        if (fake.at_once)
                done(PUBLISH_REFUSED, arg);
        else
                later(done, NULL, arg);
}

static void fake_ack(struct broker *b, struct delivery_tag tag)
{
        (void)b, (void)tag;
        fake.acked++;
}

static void fake_hand_back(struct broker *b, struct delivery_tag tag)
{
        (void)b, (void)tag;
        fake.handed_back++;
}

static bool fake_wants(const struct results_sink *s, const struct results_address *to)
{
        (void)s, (void)to;
        return true;
}

static void fake_store(struct results_sink *s, const struct results_address *to, struct bytes meta, results_done *done,
                       void *arg)
{
        (void)s, (void)to;
        snprintf(fake.last_result, sizeof(fake.last_result), "%.*s", (int)meta.size, (const char *)meta.data);
        json_t *value = json_loadb((const char *)meta.data, meta.size, 0, NULL);
        if (!value && meta.size > 0 && ((const char *)meta.data)[meta.size - 1] != '}')
                fail_msg("half a result was stored: %s", fake.last_result);
        json_decref(value);
        fake.stored++;
        later(NULL, done, arg);
}

static void fake_begin(struct results_sink *s, const char *group_id, size_t size, struct bytes saved,
                       results_done *done, void *arg)
{
        (void)s, (void)group_id, (void)size, (void)saved;
        fake.begun++;
        if (fake.at_once) {
                const struct problem why = { .text = "memory ran out" };
                done(RESULTS_REFUSED, &why, arg);
        } else {
                later(NULL, done, arg);
        }
}

static void fake_part(struct results_sink *s, const struct chord_part *part, chord_done *done, void *arg)
{
        (void)s;
        const struct chord_reply reply = { .verdict = CHORD_WAITS };
        assert_true(part->member.size > 2 && part->member.data[part->member.size - 1] == ']');
        fake.parts++;
        done(&reply, arg);
}

static void fake_end(struct results_sink *s, const char *group_id, const char *task_id, bool failed, results_done *done,
                     void *arg)
{
        (void)s, (void)group_id, (void)task_id, (void)failed;
        fake.ended++;
        later(NULL, done, arg);
}

static void fake_close(struct results_sink *s)
{
        (void)s;
}

static const struct broker_backend fake_broker = { .publish = fake_publish,
                                                   .ack = fake_ack,
                                                   .hand_back = fake_hand_back };
static const struct results_backend fake_results = { .wants = fake_wants,
                                                     .store = fake_store,
                                                     .chord_begin = fake_begin,
                                                     .chord_part = fake_part,
                                                     .chord_end = fake_end,
                                                     .close = fake_close };

/* The store says yes to all, from inside. */
static void fake_claim(struct store *s, const struct claim *claim, claim_done *done, void *arg)
{
        (void)s, (void)claim;
        const struct claim_reply reply = { .verdict = CLAIM_GRANTED, .starts = 1 };
        done(&reply, arg);
}

static void say_done(store_done *done, void *arg)
{
        done(STORE_DONE, (struct bytes){ NULL, 0 }, NULL, arg);
}

static void fake_commit(struct store *s, const struct commit *commit, store_done *done, void *arg)
{
        (void)s, (void)commit;
        say_done(done, arg);
}

static void fake_fail(struct store *s, const struct failure *failure, store_done *done, void *arg)
{
        (void)s, (void)failure;
        say_done(done, arg);
}

static void fake_give_back(struct store *s, const struct release_lease *release, store_done *done, void *arg)
{
        (void)s, (void)release;
        say_done(done, arg);
}

static void fake_schedule(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg)
{
        (void)s, (void)scheduled;
        say_done(done, arg);
}

static const struct store_backend fake_store_backend = { .claim = fake_claim,
                                                         .commit = fake_commit,
                                                         .fail = fake_fail,
                                                         .give_back = fake_give_back,
                                                         .schedule = fake_schedule };

/* Answer all that waits, and what comes of that. */
static void answer_all(void)
{
        for (size_t i = 0; i < fake.count; i++) {
                const struct call c = fake.calls[i];
                if (c.published)
                        c.published(PUBLISH_CONFIRMED, c.arg);
                else
                        c.answered(RESULTS_DONE, NULL, c.arg);
        }
        fake.count = 0;
}

/* ---- one task ---- */

struct bench {
        uv_loop_t loop;
        struct worker worker;
        struct worker_config config;
        struct made made;
};

static void set_up(struct bench *b)
{
        const struct results_config config = { .urls = "disabled://" };
        struct problem why;
        memset(&fake, 0, sizeof(fake));
        memset(b, 0, sizeof(*b));
        fake.broker.backend = &fake_broker;
        fake.sink.backend = &fake_results;
        assert_int_equal(uv_loop_init(&b->loop), 0);
        b->config.name = "w \"one\"";
        b->config.max_body = LARGEST_BODY;
        b->config.track_started = true;
        b->worker.config = &b->config;
        b->worker.catalog = shipped();
        b->worker.loop = &b->loop;
        b->worker.broker = &fake.broker;
        fake.store.backend = &fake_store_backend;
        b->worker.store = &fake.store;
        b->config.max_starts = 5;
        assert_int_equal(map_new(&b->worker.by_id), 0);
        assert_int_equal(releaser_open(&b->worker.releaser, &b->worker), 0);
        b->worker.runs.next = b->worker.runs.previous = &b->worker.runs;
        assert_int_equal(results_open(&b->worker.results, &config, &why), 0);
        results_add(b->worker.results, &fake.sink);
}

static void on_closed(uv_handle_t *timer)
{
        free(timer->data);
}

static void tear_down(struct bench *b)
{
        struct worker *w = &b->worker;
        w->phase = WORKER_CLOSED;
        while (w->runs.next != &w->runs)
                run_end(w->runs.next);
        for (struct run *run = w->spare, *next; run; run = next) {
                next = run->next;
                run->timer.data = run;
                uv_close((uv_handle_t *)&run->timer, on_closed);
        }
        releaser_close(w->releaser);
        while (uv_run(&b->loop, UV_RUN_ONCE) != 0)
                ;
        uv_loop_close(&b->loop);
        results_close(w->results);
        map_free(w->by_id);
        made_free(&b->made);
}

/* Deliver a task of those that only calculate, with these arguments and what follows (the body of a message), in a chord or not. */
static void deliver(struct bench *b, const char *task, const char *body, bool in_chord)
{
        struct buffer table = { 0 };
        header_add_text(&table, "task", bytes_of_string(task));
        header_add_text(&table, "id", bytes_of_string("i"));
        if (in_chord)
                header_add_text(&table, "group", bytes_of_string("g"));
        b->made = make_message(buffer_view(&table), bytes_of_string(body));
        buffer_free(&table);
        assert_false(b->made.properties.failed || b->made.body.failed);
        struct delivery *d = calloc(1, sizeof(*d));
        assert_non_null(d);
        d->queue = "chard.tasks";
        d->properties = buffer_view(&b->made.properties);
        d->body = buffer_view(&b->made.body);
        intake_deliveries(d, &b->worker);
}

#define SIGNATURE(task)                                                                        \
        "{\"task\":\"" task "\",\"args\":[],\"kwargs\":{},\"options\":{\"task_id\":\"id-" task \
        "\"},\"subtask_type\":null}"
#define BODY \
        "{\"task\":\"chard.same\",\"args\":[],\"kwargs\":{},\"options\":{\"task_id\":\"body\"},\"subtask_type\":null}"
#define CHORD                                                                                                              \
        "{\"task\":\"celery.chord\",\"args\":[],\"kwargs\":{\"header\":{\"task\":\"celery.group\",\"args\":[],\"kwargs\":" \
        "{\"tasks\":[" SIGNATURE("chard.add") "," SIGNATURE(                                                               \
                "chard.same") "]},\"options\":{\"task_id\":\"gg\"},\"subtask_type\":\"group\"},"                           \
                              "\"body\":" BODY "},\"options\":{\"task_id\":\"body\"},\"subtask_type\":\"chord\"}"

/* Whatever ran short: the task is acked once, or handed back once, and never both. */
static void assert_ended(void)
{
        assert_int_equal(fake.acked + fake.handed_back, 1);
}

static void links_are_sent_before_the_ack(void **state)
{
        (void)state;
        struct bench b;
        set_up(&b);
        deliver(&b, "chard.add", "[[1,2],{},{\"callbacks\":[" SIGNATURE("chard.add") "," SIGNATURE("chard.same") "]}]",
                false);
        answer_all();
        assert_ended();
        if (fake.acked)
                assert_int_equal(fake.published, 2);
        tear_down(&b);
}

static void a_chord_is_begun_before_its_parts_are_sent(void **state)
{
        (void)state;
        struct bench b;
        set_up(&b);
        deliver(&b, "chard.add", "[[1,2],{},{\"chain\":[" CHORD "]}]", false);
        answer_all();
        assert_ended();
        if (fake.acked) {
                assert_int_equal(fake.begun, 1);
                assert_int_equal(fake.published, 2);
        }
        tear_down(&b);
}

/* The broker or the results may say at once, from inside of the call, that memory ran out: the run may be gone then. */
static void answers_from_inside_harm_nobody(void **state)
{
        (void)state;
        struct bench b;
        set_up(&b);
        fake.at_once = true;
        deliver(&b, "chard.fail",
                "[[\"no\"],{},{\"errbacks\":[" SIGNATURE("chard.failed") "," CHORD "," SIGNATURE("chard.same") "]}]",
                false);
        answer_all();
        tear_down(&b);
}

static void a_failure_is_stored_whole_or_not_at_all(void **state)
{
        (void)state;
        struct bench b;
        set_up(&b);
        deliver(&b, "chard.fail",
                "[[\"no\"],{},{\"errbacks\":[" SIGNATURE("chard.failed") "],\"chain\":[" CHORD
                                                                         "," SIGNATURE("chard.add") "]}]",
                false);
        answer_all();
        assert_ended();
        if (fake.acked) {
                assert_int_equal(fake.published, 2); /* the dead letter, and the errback */
                assert_true(fake.stored > 1);
        }
        tear_down(&b);
}

static void a_part_of_a_chord_is_counted(void **state)
{
        (void)state;
        struct bench b;
        set_up(&b);
        deliver(&b, "chard.add", "[[1],{},{\"chord\":" BODY "}]", true);
        answer_all();
        assert_ended();
        if (fake.acked)
                assert_int_equal(fake.parts, 1);
        tear_down(&b);
}

static void a_name_with_quotes_is_still_json(void **state)
{
        (void)state;
        struct bench b;
        struct run run = { .worker = &b.worker, .message = { .id = (char *)"i" } };
        set_up(&b);
        run_tell_started(&run);
        if (fake.stored)
                assert_non_null(strstr(fake.last_result, "w \\\"one\\\""));
        json_t *value = fake.stored ? parse(fake.last_result) : NULL;
        json_decref(value);
        answer_all();
        tear_down(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(links_are_sent_before_the_ack),
                cmocka_unit_test(a_chord_is_begun_before_its_parts_are_sent),
                cmocka_unit_test(answers_from_inside_harm_nobody),
                cmocka_unit_test(a_failure_is_stored_whole_or_not_at_all),
                cmocka_unit_test(a_part_of_a_chord_is_counted),
                cmocka_unit_test(a_name_with_quotes_is_still_json),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
