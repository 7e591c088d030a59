/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/ over a store that is a table: who follows is told each step once, whoever else follows, comes or goes. */
#include "core/json.h"
#include "jobs/jobs.h"
#include "store/consumer.h"
#include "store/job_cursor.h"
#include "tests/unit/task_try.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A store whose jobs have so many steps; it answers a turn of the loop later. */
struct fake {
        struct store store;
        uv_loop_t loop;
        uv_timer_t answer;
        json_done *done;
        void *arg;
        json_t *steps; /* of the question under way */
        unsigned asked, most_at_once, spared, has[3];
        bool touches;
        void (*touched)(void *arg);
        void *touched_arg;
        const char *found; /* what job_find answers, as JSON */
};

static struct fake *fake_of(struct store *s)
{
        return (struct fake *)s;
}

static void fake_answer(uv_timer_t *timer)
{
        struct fake *f = (struct fake *)timer->data;
        json_t *steps = f->steps;
        f->steps = NULL;
        f->done(steps, NULL, f->arg);
        json_decref(steps);
}

static void fake_later(struct fake *f, json_t *takes, json_done *done, void *arg)
{
        assert_null(f->steps); /* one question at a time */
        f->steps = takes;
        f->done = done;
        f->arg = arg;
        uv_timer_start(&f->answer, fake_answer, 0, 0);
}

static void fake_follow(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg)
{
        struct fake *f = fake_of(s);
        json_t *steps = json_array();
        f->asked++;
        f->most_at_once = count > f->most_at_once ? (unsigned)count : f->most_at_once;
        for (size_t i = 0; i < count; i++) {
                const unsigned has = f->has[follows[i].id[0] - 'a'];
                if (follows[i].version == has + 1) {
                        f->spared++;
                        continue;
                }
                for (int64_t p = follows[i].after + 1; p <= has; p++)
                        json_array_append_new(steps, json_pack("{s:s, s:I, s:s, s:s}", "job", follows[i].id, "position",
                                                               (json_int_t)p, "kind", p == 4 ? "job" : "task", "state",
                                                               p == 4 ? "SUCCESS" : "STARTED"));
                json_array_append_new(steps, json_pack("{s:s, s:i}", "job", follows[i].id, "version", has + 1));
        }
        fake_later(f, steps, done, arg);
}

static void fake_facts(struct store *s, const struct fact_set *sets, size_t count, json_done *done, void *arg)
{
        (void)sets, (void)count;
        fake_later(fake_of(s), json_object(), done, arg);
}

static bool fake_touched(struct store *s, void (*touched)(void *arg), void *arg)
{
        struct fake *f = fake_of(s);
        f->touched = touched;
        f->touched_arg = arg;
        return f->touches;
}

static void fake_find(struct store *s, const char *prefix, json_done *done, void *arg)
{
        (void)prefix;
        fake_later(fake_of(s), json_loads(fake_of(s)->found, 0, NULL), done, arg);
}

static void fake_job(struct store *s, const char *id, json_done *done, void *arg)
{
        fake_later(fake_of(s), strcmp(id, "gone") == 0 ? NULL : json_pack("{s:s}", "id", id), done, arg);
}

static const struct store_read fake_reads = {
        .job_follow = fake_follow, .on_touched = fake_touched, .job_find = fake_find, .job = fake_job
};

static const struct store_consumer fake_consumers = { .facts = fake_facts };

static void fake_open(struct fake *f, struct jobs **jobs)
{
        *f = (struct fake){ .store = { .read = &fake_reads, .consumer = &fake_consumers } };
        uv_loop_init(&f->loop);
        uv_timer_init(&f->loop, &f->answer);
        f->answer.data = f;
        assert_int_equal(jobs_over(jobs, &f->loop, shipped(), &f->store, NULL), 0);
}

static void fake_close(struct fake *f, struct jobs *jobs)
{
        jobs_close(jobs);
        if (f->steps)
                fake_answer(&f->answer);
        uv_close((uv_handle_t *)&f->answer, NULL);
        uv_run(&f->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&f->loop), 0);
}

/* ---- following ---- */

struct follow_heard {
        char text[128];
        struct follower *follower;
        unsigned leave_at;                /* unfollow from inside at this position */
        struct follow_heard *takes_along; /* and this one */
        struct jobs *close;               /* or close everything */
};

static void on_news(const struct job_news *news, const struct problem *why, void *arg)
{
        struct follow_heard *h = (struct follow_heard *)arg;
        const size_t size = strlen(h->text);
        assert_null(why);
        if (!news->step) {
                assert_true(news->ended);
                snprintf(h->text + size, sizeof(h->text) - size, "%s ", news->state);
                return;
        }
        snprintf(h->text + size, sizeof(h->text) - size, "%s%llu%s ", news->job, (unsigned long long)news->position,
                 news->ended ? "!" : "");
        if (news->position != h->leave_at)
                return;
        if (h->close) {
                jobs_close(h->close);
                h->close = NULL;
                return;
        }
        jobs_unfollow(h->follower);
        if (h->takes_along)
                jobs_unfollow(h->takes_along->follower);
}

static void follow(struct jobs *jobs, struct follow_heard *h, const char *id, uint64_t after)
{
        assert_int_equal(jobs_follow(jobs, id, after, on_news, h, &h->follower, NULL), 0);
}

/* Never waits inside: a turn that waits for the next timer runs it, too. */
static void turn_until(struct fake *f, unsigned asked)
{
        while (f->asked < asked || f->steps)
                uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void each_step_is_told_once_to_each(void **state)
{
        struct fake f;
        struct jobs *jobs;
        struct follow_heard one = { 0 }, two = { 0 }, late = { 0 }, other = { 0 };
        (void)state;
        fake_open(&f, &jobs);
        follow(jobs, &one, "a", 0);
        follow(jobs, &two, "a", 1);
        follow(jobs, &other, "b", 0);
        f.has[0] = 2;
        turn_until(&f, 1);
        f.has[0] = 3;
        f.has[1] = 1;
        follow(jobs, &late, "a", 0);
        turn_until(&f, 3);
        f.has[0] = 4;
        turn_until(&f, 5);
        assert_string_equal(one.text, "a1 a2 a3 a4! SUCCESS ");
        assert_string_equal(two.text, "a2 a3 a4! SUCCESS ");
        assert_string_equal(late.text, "a1 a2 a3 a4! SUCCESS ");
        assert_string_equal(other.text, "b1 ");
        assert_int_equal(f.most_at_once, 2); /* jobs, not followers */
        assert_true(f.spared >= 2);          /* a job is not told again at the version that was told */
        fake_close(&f, jobs);
}

/* The last step may have been an end; who comes back after it hears that, though no step follows. */
static void the_end_is_told_once(void **state)
{
        struct fake f;
        struct jobs *jobs;
        struct follow_heard one = { 0 }, back = { 0 }, early = { 0 }, beyond = { 0 };
        (void)state;
        fake_open(&f, &jobs);
        f.touches = true; /* so that it is not asked because time has passed */
        f.has[0] = 4;
        static const struct {
                uint64_t after;
                const char *text;
        } rows[] = { { 0, "a1 a2 a3 a4! SUCCESS " }, { 4, "SUCCESS " }, { 3, "a4! SUCCESS " }, { 9, "" } };
        struct follow_heard *const heard[] = { &one, &back, &early, &beyond };
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                follow(jobs, heard[i], "a", rows[i].after);
                turn_until(&f, i + 1); /* by one read, whatever there is to hear */
                assert_int_equal(f.asked, i + 1);
                for (unsigned k = 0; k <= i; k++)
                        assert_string_equal(heard[k]->text, rows[k].text);
        }
        f.has[0] = 5; /* somebody has sent it on */
        f.touched(f.touched_arg);
        turn_until(&f, 5);
        assert_string_equal(back.text, "SUCCESS a5 ");
        fake_close(&f, jobs);
}

static void followers_leave_while_they_are_told(void **state)
{
        struct fake f;
        struct jobs *jobs;
        struct follow_heard one = { .leave_at = 2 }, two = { 0 }, three = { 0 };
        (void)state;
        fake_open(&f, &jobs);
        one.takes_along = &two;
        follow(jobs, &two, "a", 0);
        follow(jobs, &three, "a", 0);
        follow(jobs, &one, "a", 0);
        f.has[0] = 3;
        turn_until(&f, 1);
        assert_string_equal(one.text, "a1 a2 ");
        assert_string_equal(two.text, "a1 ");
        assert_string_equal(three.text, "a1 a2 a3 ");
        fake_close(&f, jobs);
}

static void all_is_closed_from_inside(void **state)
{
        struct fake f;
        struct jobs *jobs;
        struct follow_heard one = { .leave_at = 2 }, two = { 0 };
        (void)state;
        fake_open(&f, &jobs);
        one.close = jobs;
        follow(jobs, &two, "b", 0);
        follow(jobs, &one, "a", 0);
        f.has[0] = f.has[1] = 3;
        turn_until(&f, 1);
        assert_string_equal(one.text, "a1 a2 ");
        assert_string_equal(two.text, "");
        fake_close(&f, NULL);
}

/* Where the store says when something has changed it is not asked in vain. */
static void a_touch_asks_at_once(void **state)
{
        struct fake f;
        struct jobs *jobs;
        struct follow_heard one = { 0 };
        (void)state;
        fake_open(&f, &jobs);
        f.touches = true;
        follow(jobs, &one, "a", 0);
        turn_until(&f, 1);
        f.has[0] = 1;
        f.touched(f.touched_arg);
        turn_until(&f, 2);
        assert_string_equal(one.text, "a1 ");
        fake_close(&f, jobs);
}

/* ---- looking ---- */

static void on_looked(json_t *value, const struct problem *why, void *arg)
{
        char *text = value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS) : strdup("nothing");
        assert_null(why);
        snprintf(arg, 512, "%s", text);
        free(text);
}

static void any_id_leads_to_its_job(void **state)
{
        static const struct {
                const char *text, *found, *answer;
        } table[] = {
                { "x", "[]", "nothing" },
                { "t1",
                  "[{'job':'j1','id':'t1','kind':'task','name':'n'},{'job':'j2','id':'t12','kind':'task','name':'n'}]",
                  "{'id':'j1'}" },
                { "t",
                  "[{'job':'j1','id':'t1','kind':'task','name':'n'},{'job':'j1','id':'t2','kind':'task','name':'n'}]",
                  "{'id':'j1'}" },
                { "t",
                  "[{'job':'j1','id':'t1','kind':'task','name':'n'},{'job':'j2','id':'t2','kind':'job','name':'p'}]",
                  "[{'id':'t1','job':'j1','kind':'task','name':'n'},{'id':'t2','job':'j2','kind':'job','name':'p'}]" },
                { "gone", "[{'job':null,'id':'gone','kind':'scheduled','name':'eta','properties':'','due_ms':5}]",
                  "{'created_at':null,'document':null,'error':null,'events':[],'finished_at':null,'id':'gone','pipeline':'',"
                  "'scheduled':{'due_ms':5,'name':'eta'},'state':'PENDING','tasks':[]}" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                struct fake f;
                struct jobs *jobs;
                char found[512], answer[512] = "", wanted[512];
                snprintf(found, sizeof(found), "%s", table[i].found);
                snprintf(wanted, sizeof(wanted), "%s", table[i].answer);
                for (char *c = found; *c; c++)
                        *c = *c == '\'' ? '"' : *c;
                for (char *c = wanted; *c; c++)
                        *c = *c == '\'' ? '"' : *c;
                fake_open(&f, &jobs);
                f.found = found;
                jobs_look(jobs, table[i].text, on_looked, answer);
                while (!*answer)
                        uv_run(&f.loop, UV_RUN_ONCE);
                assert_string_equal(answer, wanted);
                fake_close(&f, jobs);
        }
}

static void texts_behind_a_prefix(void **state)
{
        static const struct {
                const char *prefix, *upto;
        } table[] = { { "a", "b" }, { "0f9", "0f:" }, { "ab\x7f", "ac" }, { "\x7f", "" } };
        (void)state;
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                char upto[8];
                assert_int_equal(job_prefix_upto(table[i].prefix, upto), *table[i].upto != '\0');
                assert_string_equal(upto, table[i].upto);
        }
}

static void cursors(void **state)
{
        struct job_cursor c;
        struct problem why;
        (void)state;
        assert_int_equal(job_cursor_read("1234.a.b", &c, &why), 0);
        assert_int_equal(c.created_us, 1234);
        assert_string_equal(c.root_id, "a.b");
        assert_int_equal(job_cursor_read(NULL, &c, &why), 0);
        for (const char *const *bad = (const char *const[]){ "x", "12", ".a", "-1.a", "99999999999999999999.a", NULL };
             *bad; bad++)
                assert_int_equal(job_cursor_read(*bad, &c, &why), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_step_is_told_once_to_each),
                cmocka_unit_test(the_end_is_told_once),
                cmocka_unit_test(followers_leave_while_they_are_told),
                cmocka_unit_test(all_is_closed_from_inside),
                cmocka_unit_test(a_touch_asks_at_once),
                cmocka_unit_test(any_id_leads_to_its_job),
                cmocka_unit_test(texts_behind_a_prefix),
                cmocka_unit_test(cursors),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
