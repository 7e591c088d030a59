/* SPDX-License-Identifier: Apache-2.0 */
/* What the store costs a worker, beside the raw ceiling on the same server:
 *
 *     store_speed tasks URL COUNT IN_FLIGHT [EVENTS]   claim, then commit, COUNT tasks, EVENTS events each
 *     store_speed raw URL COUNT GROUP                  COUNT pairs of rows into two plain tables, GROUP pairs a transaction
 *     store_speed schedule URL COUNT IN_FLIGHT         COUNT rows scheduled, then released and forgotten
 *
 * Prints one JSON object: tasks (or pairs) a second, and this process's CPU in microseconds for each. */
#include "core/clock.h"
#include "core/id.h"
#include "store/postgres/link/column.h"
#include "store/run.h"
#include "tasks/task.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct speed_run {
        uv_loop_t loop;
        struct store *store;
        size_t count, started, ended;
        bool events;
        struct fake_task *tasks;
        int64_t *ids;
        uint64_t scheduled_us;
};

struct fake_task {
        struct speed_run *run;
        char id[ID_TEXT_SIZE];
        struct arena arena;
        struct outcome outcome;
        struct claim claim;
        struct commit commit;
        struct scheduled scheduled;
};

static void die(const char *what)
{
        fprintf(stderr, "store_speed: %s\n", what);
        exit(1);
}

static uint64_t cpu_us(void)
{
        struct rusage used;

        getrusage(RUSAGE_SELF, &used);
        return (uint64_t)used.ru_utime.tv_sec * 1000000 + (uint64_t)used.ru_utime.tv_usec +
               (uint64_t)used.ru_stime.tv_sec * 1000000 + (uint64_t)used.ru_stime.tv_usec;
}

static void report(const char *what, size_t count, uint64_t start_us, uint64_t start_cpu)
{
        double took = (double)(clock_mono_us() - start_us), cpu = (double)(cpu_us() - start_cpu);

        printf("{\"what\": \"%s\", \"count\": %zu, \"per_second\": %.0f, \"cpu_us\": %.2f}\n", what, count,
               (double)count * 1e6 / took, cpu / (double)count);
        fflush(stdout);
}

/* ---- claim and commit ---- */

static void start_next(struct speed_run *run);

static void committed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct fake_task *t = arg;
        struct speed_run *run = t->run;

        (void)stored;
        if (result != STORE_DONE)
                die(why ? why->text : "a commit was not done");
        if (run->events) {
                outcome_close(&t->outcome);
                arena_free(&t->arena);
        }
        if (++run->ended == run->count)
                run->store->backend->close(run->store);
        else
                start_next(run);
}

static void claimed(const struct claim_reply *reply, void *arg)
{
        static const char result[] =
                "{\"job\":{\"id\":\"x\"},\"input\":{\"text\":\"hello\"},\"answer\":{\"text\":\"done\"}}";
        struct fake_task *t = arg;

        if (reply->verdict != CLAIM_GRANTED)
                die("a claim was not granted");
        if (t->run->events) {
                outcome_open(&t->outcome, &t->arena);
                outcome_event(&t->outcome, "scan", t->id, "Measured", json_pack("{s:s}", "category", "paper"));
        }
        t->commit = (struct commit){ .id = t->id, .root_id = t->id, .result = bytes_of(result, sizeof(result) - 1) };
        if (t->run->events) {
                t->commit.outcome = &t->outcome;
                t->commit.has_job = true; /* its only task: no branch goes on */
        }
        t->run->store->run->commit(t->run->store, &t->commit, committed, t);
}

static void start_next(struct speed_run *run)
{
        struct fake_task *t;

        if (run->started == run->count)
                return;
        t = &run->tasks[run->started++];
        t->run = run;
        id_new(t->id);
        t->claim = (struct claim){ .id = t->id,
                                   .root_id = t->id,
                                   .name = "test.noop",
                                   .lease_ms = 60000,
                                   .pipeline = run->events ? "scan" : NULL };
        run->store->run->claim(run->store, &t->claim, claimed, t);
}

/* ---- schedule, release, forget ---- */

static void forgotten(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

static void released(struct due *due, size_t count, int64_t next_ms, void *arg)
{
        struct speed_run *run = arg;

        (void)next_ms;
        for (size_t i = 0; i < count; i++)
                run->ids[i] = due[i].id;
        run->ended += count;
        const struct forgetting what = { .confirmed = run->ids, .confirmed_count = count };
        run->store->schedule->forget(run->store, &what, forgotten, run);
}

static void forgotten(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct speed_run *run = arg;

        (void)stored;
        (void)why;
        if (result != STORE_DONE)
                die("rows were not forgotten");
        if (run->ended >= run->count)
                run->store->backend->close(run->store);
        else
                run->store->schedule->release(run->store, clock_wall_ms(), 1000, released, run);
}

static void schedule_next(struct speed_run *run);

static void scheduled(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct speed_run *run = ((struct fake_task *)arg)->run;

        (void)stored;
        (void)why;
        if (result != STORE_DONE)
                die("a row was not scheduled");
        if (++run->ended < run->count) {
                schedule_next(run);
                return;
        }
        run->scheduled_us = clock_mono_us();
        run->ended = 0;
        run->store->schedule->release(run->store, clock_wall_ms(), 1000, released, run);
}

static void schedule_next(struct speed_run *run)
{
        static struct message *message;
        struct fake_task *t;

        if (!message)
                message = message_new("", "q", bytes_of("\0\0", 2), bytes_of_string("[[], {}, null]"));
        if (run->started == run->count)
                return;
        t = &run->tasks[run->started++];
        t->run = run;
        t->scheduled = (struct scheduled){ .message = message, .due_ms = clock_wall_ms(), .reason = "retry" };
        run->store->schedule->add(run->store, &t->scheduled, scheduled, t);
}

/* ---- running ---- */

static void with_store(const char *url, struct speed_run *run, size_t in_flight, void (*next)(struct speed_run *run))
{
        struct store_config config = { .loop = &run->loop, .url = url, .owner = "speed", .connect_timeout_ms = 5000 };
        struct problem why;

        run->tasks = calloc(run->count, sizeof(*run->tasks));
        run->ids = calloc(1000, sizeof(*run->ids));
        uv_loop_init(&run->loop);
        if (!run->tasks || !run->ids || store_open(&run->store, &config, &why) != 0)
                die(why.text);
        for (size_t i = 0; i < in_flight && i < run->count; i++)
                next(run);
        uv_run(&run->loop, UV_RUN_DEFAULT);
        uv_loop_close(&run->loop);
        free(run->tasks);
        free(run->ids);
}

static void raw_group(PGconn *pg, struct pg_arguments *a, size_t count)
{
        static const char *const inserts[2] = {
                "insert into chard_raw_in (id, name, state) select id, 'test.noop', 'STARTED' from unnest($1::text[]) as i (id)",
                "insert into chard_raw_out (id, result) select id, '{}' from unnest($1::text[]) as i (id)",
        };
        struct column *ids;
        PGresult *result;

        arguments_reset(a);
        ids = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < count; i++) {
                char id[ID_TEXT_SIZE];

                id_new(id);
                column_text(ids, id);
        }
        arguments_finish(a);
        for (int i = 0; i < 2; i++) {
                const char *value = (const char *)ids->bytes.data;
                int length = (int)ids->bytes.size, format = 1;

                PQsendQueryParams(pg, inserts[i], 1, NULL, &value, &length, &format, 1);
        }
        PQpipelineSync(pg);
        for (int syncs = 0; syncs == 0;) {
                result = PQgetResult(pg);
                if (result && PQresultStatus(result) == PGRES_FATAL_ERROR)
                        die(PQresultErrorMessage(result));
                syncs = result && PQresultStatus(result) == PGRES_PIPELINE_SYNC;
                PQclear(result);
        }
}

static void raw(const char *url, size_t count, size_t group)
{
        struct pg_arguments arguments = { 0 };
        PGconn *pg = PQconnectdb(url);
        uint64_t start, cpu;

        PQclear(PQexec(pg, "set client_min_messages = error; drop table if exists chard_raw_in, chard_raw_out;"
                           "create table chard_raw_in (id text primary key, name text, state text);"
                           "create table chard_raw_out (id text primary key, result text)"));
        PQenterPipelineMode(pg);
        start = clock_mono_us();
        cpu = cpu_us();
        for (size_t done = 0; done < count; done += group)
                raw_group(pg, &arguments, group);
        report("raw", count, start, cpu);
        PQfinish(pg);
        arguments_free(&arguments);
}

int main(int argc, char **argv)
{
        static struct speed_run run;
        uint64_t start, cpu;

        if (argc < 5) {
                fprintf(stderr, "usage: store_speed tasks|raw|schedule URL COUNT IN_FLIGHT [EVENTS]\n");
                return 2;
        }
        run.count = strtoull(argv[3], NULL, 10);
        run.events = argc > 5;
        if (strcmp(argv[1], "raw") == 0) {
                raw(argv[2], run.count, strtoull(argv[4], NULL, 10));
                return 0;
        }
        start = clock_mono_us();
        cpu = cpu_us();
        with_store(argv[2], &run, strtoull(argv[4], NULL, 10),
                   strcmp(argv[1], "tasks") == 0 ? start_next : schedule_next);
        report(argv[1], run.count, start, cpu);
        if (run.scheduled_us)
                printf("{\"what\": \"in\", \"per_second\": %.0f}\n{\"what\": \"out\", \"per_second\": %.0f}\n",
                       (double)run.count * 1e6 / (double)(run.scheduled_us - start),
                       (double)run.count * 1e6 / (double)(clock_mono_us() - run.scheduled_us));
        return 0;
}
