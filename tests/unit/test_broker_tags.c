/* SPDX-License-Identifier: Apache-2.0 */
/* Which deliveries are unsettled, and which frames a batch of acks and hand-backs becomes. */
#include "broker/amqp/consume/consumer.h"
#include "broker/amqp/consume/tags.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- tags ---- */

static void a_prefix_is_passed_at_once(void **state)
{
        (void)state;
        struct tags t = { 0 };
        for (uint64_t tag = 1; tag <= 5; tag++)
                assert_int_equal(tags_delivered(&t, tag), 0);
        assert_true(tags_settle(&t, 2));
        tags_advance(&t);
        assert_int_equal(t.oldest, 1);
        assert_true(tags_settle(&t, 1));
        assert_true(tags_settle(&t, 4));
        tags_advance(&t);
        assert_int_equal(t.oldest, 3);
        assert_int_equal(t.unsettled, 2);
        tags_clear(&t);
}

static void nothing_is_settled_twice(void **state)
{
        (void)state;
        struct tags t = { 0 };
        assert_false(tags_settle(&t, 1));
        tags_delivered(&t, 1);
        assert_true(tags_settle(&t, 1));
        assert_false(tags_settle(&t, 1));
        tags_advance(&t);
        assert_false(tags_settle(&t, 1));
        assert_false(tags_settle(&t, 2));
        assert_false(tags_settle(&t, 0));
        tags_clear(&t);
}

static void one_slow_task_stretches_the_ring(void **state)
{
        (void)state;
        struct tags t = { 0 };
        enum { COUNT = 10000 };
        for (uint64_t tag = 1; tag <= COUNT; tag++) {
                assert_int_equal(tags_delivered(&t, tag), 0);
                if (tag > 1)
                        assert_true(tags_settle(&t, tag));
                tags_advance(&t);
        }
        assert_int_equal(t.oldest, 1);
        assert_int_equal(t.unsettled, 1);
        assert_true(tags_settle(&t, 1));
        tags_advance(&t);
        assert_int_equal(t.oldest, COUNT + 1);
        tags_clear(&t);
}

static void a_tag_that_can_not_be_is_refused(void **state)
{
        (void)state;
        static const struct {
                uint64_t first, then; /* first 0: the second is the first one */
        } cases[] = { { 0, 0 },          { 0, UINT64_MAX },       { 7, 0 }, { 7, 7 }, { 7, 6 },
                      { 7, UINT64_MAX }, { 7, UINT64_C(1) << 40 } };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct tags t = { 0 };
                if (cases[i].first)
                        assert_int_equal(tags_delivered(&t, cases[i].first), 0);
                assert_int_equal(tags_delivered(&t, cases[i].then), -EPROTO);
                assert_int_equal(t.unsettled, cases[i].first ? 1 : 0);
                tags_clear(&t);
        }
}

static void a_gap_counts_as_settled(void **state)
{
        (void)state;
        struct tags t = { 0 };
        tags_delivered(&t, 5);
        tags_delivered(&t, 9);
        assert_false(tags_settle(&t, 7));
        assert_true(tags_settle(&t, 5));
        tags_advance(&t);
        assert_int_equal(t.oldest, 9);
        tags_clear(&t);
}

/* Random work against a plain array. */
static void it_agrees_with_a_simple_model(void **state)
{
        (void)state;
        enum { COUNT = 5000 };
        static bool settled[COUNT + 1];
        struct tags t = { 0 };
        uint64_t next = 1;
        srand(7);
        while (next <= COUNT) {
                for (int i = rand() % 90; i >= 0 && next <= COUNT; i--)
                        tags_delivered(&t, next++);
                for (int i = rand() % 90; i >= 0; i--) {
                        const uint64_t tag = (uint64_t)rand() % (next - 1) + 1;
                        assert_int_equal(tags_settle(&t, tag), !settled[tag]);
                        settled[tag] = true;
                }
                tags_advance(&t);
                uint64_t oldest = 1;
                while (oldest < next && settled[oldest])
                        oldest++;
                assert_int_equal(t.oldest, oldest);
        }
        tags_clear(&t);
}

/* ---- settling a batch ---- */

/* A consumer with two channels, 2 (epoch 7) and 3 (epoch 9), with `count` deliveries each. */
struct fixture {
        struct amqp_consumer c;
        struct subscription first, second, *both[2];
};

static void set_up(struct fixture *f, uint64_t count)
{
        *f = (struct fixture){ .first = { .open = true, .channel = 2, .epoch = 7 },
                               .second = { .open = true, .channel = 3, .epoch = 9 } };
        f->both[0] = &f->first;
        f->both[1] = &f->second;
        f->c.subscriptions = f->both;
        f->c.count = 2;
        for (uint64_t tag = 1; tag <= count; tag++) {
                tags_delivered(&f->first.tags, tag);
                tags_delivered(&f->second.tags, tag);
        }
}

static void tear_down(struct fixture *f)
{
        tags_clear(&f->first.tags);
        tags_clear(&f->second.tags);
        buffer_free(&f->c.io.link.out);
}

/* "2+5* 2-7" = channel 2: ack up to 5 (multiple), hand back 7. */
static char *frames_written(struct fixture *f)
{
        struct buffer text = { 0 };
        const struct buffer *out = &f->c.io.link.out;
        assert_int_equal(out->size % 21, 0);
        for (size_t at = 0; at < out->size; at += 21) {
                const unsigned char *d = out->data + at;
                assert_int_equal(d[0], 1);
                assert_int_equal(d[8], 60);
                assert_int_equal(d[20], 0xCE);
                buffer_addf(&text, "%s%d%c%d%s", at ? " " : "", d[2], d[10] == 80 ? '+' : '-', d[18],
                            d[19] & 1 ? "*" : "");
        }
        buffer_add_byte(&text, '\0');
        return (char *)text.data;
}

/* Settle what `text` names ("2+5 2-7": channel, ack or hand back, tag), and compare the frames. */
static void check_batch(struct fixture *f, const char *text, const char *expected)
{
        struct order *o = calloc(1, sizeof(*o) + 64 * sizeof(o->settlements[0]));
        int channel, tag, used;
        char sign;
        for (; sscanf(text, "%d%c%d%n", &channel, &sign, &tag, &used) == 3; text += used)
                o->settlements[o->count++] = (struct settlement){ .tag = { (uint64_t)tag, channel == 2   ? 7
                                                                                          : channel == 3 ? 9
                                                                                                         : 1 },
                                                                  .ack = sign == '+' };
        f->c.io.link.out.size = 0;
        consumer_settle(&f->c, o);
        char *written = frames_written(f);
        assert_string_equal(written, expected);
        free(written);
        free(o);
}

static void batches_become_few_frames(void **state)
{
        (void)state;
        static const struct {
                const char *settled[3], *frames[3];
        } cases[] = {
                { { "2+1" }, { "2+1" } },
                { { "2+1 2+2 2+3" }, { "2+3*" } },
                { { "2+3 2+1 2+2" }, { "2+3*" } },
                { { "2+2 2+3" }, { "2+2 2+3" } },
                { { "2+1 2+2 2+4" }, { "2+4 2+2*" } },
                { { "2+2", "2+1" }, { "2+2", "2+1" } },
                { { "2+2", "2+1 2+3" }, { "2+2", "2+3*" } },
                { { "2+1 3+1 2+2 3+3" }, { "3+3 2+2* 3+1" } },
                { { "2-1 2-2" }, { "2-2*" } },
                { { "2+2 2-1 2+3" }, { "2-1 2+3*" } }, /* the hand-back must be out before a multiple ack passes it */
                { { "2-2 2+1 2+3" }, { "2-2 2+3*" } },
                { { "2+1 2+1 2+1" }, { "2+1" } },
                { { "2+1 2-1" }, { "2-1" } },
                { { "2+1", "2+1 2-1" }, { "2+1", "" } },
                { { "2+9 1+1 2+0" }, { "" } }, /* never delivered, unknown epoch */
                { { "2+1 2+2 2+3 2+4 2+5 2+6 2+7 2+8" }, { "2+8*" } },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct fixture f;
                set_up(&f, 8);
                for (int n = 0; n < 3 && cases[i].settled[n]; n++)
                        check_batch(&f, cases[i].settled[n], cases[i].frames[n]);
                tear_down(&f);
        }
}

static void a_closed_channel_ignores_its_tags(void **state)
{
        (void)state;
        struct fixture f;
        set_up(&f, 4);
        f.first.open = false;
        check_batch(&f, "2+1 2-2 3+1", "3+1");
        tear_down(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_prefix_is_passed_at_once),       cmocka_unit_test(nothing_is_settled_twice),
                cmocka_unit_test(one_slow_task_stretches_the_ring), cmocka_unit_test(a_tag_that_can_not_be_is_refused),
                cmocka_unit_test(a_gap_counts_as_settled),          cmocka_unit_test(it_agrees_with_a_simple_model),
                cmocka_unit_test(batches_become_few_frames),        cmocka_unit_test(a_closed_channel_ignores_its_tags),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
