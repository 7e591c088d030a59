/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/worker_fakes.h"

#include "tests/unit/short_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/task_try.h"

#include <stdlib.h>
#include <string.h>

/* ---- the doors ---- */

struct fake fake;

static void later(publish_done *published, results_done *answered, void *arg)
{
        assert_true(fake.count < FAKE_MOST);
        fake.calls[fake.count++] = (struct fake_call){ published, answered, arg };
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

/* Away, as the releaser sees it. */
static void fake_health(const struct broker *b, struct broker_health *out)
{
        (void)b;
        *out = (struct broker_health){ .state = BROKER_DOWN };
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
        const bool half = !value && meta.size > 0 && ((const char *)meta.data)[meta.size - 1] != '}';
        holds_even_short(!half);
        const char *status = json_string_value(json_object_get(value, "status"));
        const bool traced = json_is_string(json_object_get(value, "traceback"));
        holds_even_short(!status || strcmp(status, "FAILURE") != 0 || traced);
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

static const struct broker_backend fake_broker = {
        .publish = fake_publish, .ack = fake_ack, .hand_back = fake_hand_back, .health = fake_health
};
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
        const struct claim_reply reply = { .verdict = fake.claim,
                                           .starts = 1,
                                           .wait_ms = 5,
                                           .result = bytes_of_string("7"),
                                           .why = { .code = "refused" } };
        if (!fake.silent)
                done(&reply, arg);
}

static void fake_say(enum store_result result, store_done *done, void *arg)
{
        const struct problem why = { .source = "store", .code = "bad_data", .text = "it said no" };
        done(result, bytes_of_string("7"), result == STORE_REFUSED ? &why : NULL, arg);
}

static void fake_commit(struct store *s, const struct commit *commit, store_done *done, void *arg)
{
        (void)s, (void)commit;
        if (fake.commit == STORE_STALE)
                fake.claim = fake.claim_after_stale;
        fake_say(fake.commit, done, arg);
}

static void fake_fail(struct store *s, const struct failure *failure, store_done *done, void *arg)
{
        (void)s, (void)failure;
        fake_say(fake.fail, done, arg);
}

static void fake_give_back(struct store *s, const struct release_lease *release, store_done *done, void *arg)
{
        (void)s, (void)release;
        fake_say(fake.give_back, done, arg);
}

static void fake_schedule(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg)
{
        (void)s, (void)scheduled;
        fake_say(fake.schedule, done, arg);
}

static void fake_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg)
{
        (void)s, (void)revocation;
        fake_say(STORE_DONE, done, arg);
}

static const struct store_run fake_runs = { .claim = fake_claim,
                                            .commit = fake_commit,
                                            .fail = fake_fail,
                                            .give_back = fake_give_back,
                                            .revoke = fake_revoke };
static const struct store_schedule fake_schedules = { .add = fake_schedule };

/* Answer all that waits, and what comes of that. */
void fake_answer_all(void)
{
        for (size_t i = 0; i < fake.count; i++) {
                const struct fake_call c = fake.calls[i];
                if (c.published)
                        c.published(fake.publish, c.arg);
                else
                        c.answered(RESULTS_DONE, NULL, c.arg);
        }
        fake.count = 0;
}

/* ---- one task ---- */

void bench_open(struct bench *b)
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
        fake.store.run = &fake_runs;
        fake.store.schedule = &fake_schedules;
        b->worker.store = &fake.store;
        b->config.max_starts = 5;
        assert_int_equal(map_new(&b->worker.by_id), 0);
        assert_int_equal(releaser_open(&b->worker.releaser, &b->worker), 0);
        b->worker.runs.next = b->worker.runs.previous = &b->worker.runs;
        assert_int_equal(results_open(&b->worker.results, &config, &why), 0);
        results_add(b->worker.results, &fake.sink);
}

void bench_open_ai(struct bench *b)
{
        const struct ai_config config = { .loop = &b->loop, .provider = "offline", .offline = run_answer_offline };
        struct problem why;
        assert_int_equal(ai_open(&b->worker.ai, &config, &why), 0);
}

void bench_close(struct bench *b)
{
        struct worker *w = &b->worker;
        w->phase = WORKER_CLOSED;
        runs_close(w);
        releaser_close(w->releaser);
        while (uv_run(&b->loop, UV_RUN_ONCE) != 0)
                ;
        uv_loop_close(&b->loop);
        results_close(w->results);
        map_free(w->by_id);
        made_free(&b->made);
}

/* Deliver a task of those that only calculate, with these arguments and what follows (the body of a message), in a chord or not. */
void bench_deliver(struct bench *b, const char *task, const char *body, bool in_chord)
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
