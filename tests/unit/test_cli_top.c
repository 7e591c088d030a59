/* SPDX-License-Identifier: Apache-2.0 */
/* What `chard top` makes of what is said, how it lays that out, and which keys it knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/top/screen.h"
#include "cli/top/layout.h"
#include "core/bytes.h"
#include "core/json.h"
#include "core/text/utf8.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"

#include <stdio.h>
#include <string.h>

/* ---- the model ---- */

#define STATE(ok, failed, took_ms, cost, finished)                                                                   \
        "'state':{'consuming':true,'why':'','in_hand':3,'ai_in_flight':2,'finished':" #finished                      \
        ",'queues':{'a':{'slots_free':4},'b':{'slots_free':5}},'paused':{},'oldest':{'id':'i','task':'t','ms':900}," \
        "'tasks':{'t':{'ok':" #ok ",'failed':" #failed ",'took_ms':" #took_ms ",'cost_nano':" #cost                  \
        ",'paused_ms':0}}}"

static json_t *model_of(const char *figures, const char *load, const char *store, const char *broker, int64_t now_ms,
                        json_t *memory)
{
        const struct picture full = { .ready = 7, .in_flight = 3, .slots_free = 9, .oldest_age_ms = 1500 },
                             unknown = { .ready = -1, .in_flight = -1, .slots_free = -1, .oldest_age_ms = -1 };
        JSON_OWNED json_t *said_figures = figures ? json_of(figures) : NULL;
        JSON_OWNED json_t *said_load = load ? json_of(load) : NULL;
        JSON_OWNED json_t *queues = json_array();
        json_array_append_new(queues, top_queue("a", &full));
        json_array_append_new(queues, top_queue("b", &unknown));
        const struct top_said said = { .now_ms = now_ms,
                                       .figures = said_figures,
                                       .load = said_load,
                                       .queues = queues,
                                       .store = store,
                                       .broker = broker };
        return top_model(&said, memory);
}

#define QUEUES                                                                               \
        "'queues':[{'queue':'a','ready':7,'in_flight':3,'slots_free':9,'oldest_age_s':1.5}," \
        "{'queue':'b','ready':null,'in_flight':null,'slots_free':null,'oldest_age_s':null}]"

static void what_is_said_becomes_one_object(void **state)
{
        (void)state;
        static const struct {
                const char *label, *figures, *load, *store, *broker, *expected;
        } rows[] = {
                { "all is well",
                  "{'scheduled':[{'reason':'eta','count':2,'due':0},{'reason':'retry','count':3,'due':1}],'late_ms':20,'dead':4,"
                  "'workers':[{'name':'k','age_ms':5,'state':{'consuming':true,'role':'keeper'}},"
                  "{'name':'v','age_ms':10," STATE(2, 0, 100, 5000,
                                                   2) "},{'name':'w','age_ms':10," STATE(6, 2, 300, 20000, 8) "}]}",
                  "{'held':[{'owner':'w','count':3,'until':'soon'}],'leases':{'duties':'k'}}", NULL, NULL,
                  "{'at_ms':1000,'store':null,'broker':null," QUEUES ",'workers':["
                  "{'worker':'k','role':'keeper','state':'consuming','…':0},"
                  "{'worker':'v','role':'worker','state':'consuming','held':0,'ended':2,'…':0},"
                  "{'worker':'w','role':'worker','state':'consuming','why':'','age_ms':10,'in_hand':3,'slots_free':9,'calls':2,"
                  "'ended':8,'rate_s':null,'held':3,'held_until':'soon','oldest':{'id':'i','task':'t','ms':900}}],"
                  "'tasks':[{'task':'t','ok':8,'failed':2,'average_ms':50,'cost_usd':2.5e-05,'paused_ms':0}],"
                  "'scheduled':{'count':5,'due':1,'late_ms':20},'dead':4,'leader':'k','ended':10,'failed':2,"
                  "'cost_usd':2.5e-05,'wrong':[]}" },
                { "nothing is known", NULL, NULL, "no connection", "closed",
                  "{'store':'no connection','broker':'closed','workers':[],'tasks':[],'scheduled':null,'dead':null,"
                  "'leader':null,'wrong':['the store is away: no connection','the broker is away: closed'],'…':0}" },
                { "much is wrong",
                  "{'scheduled':[],'late_ms':61000,'dead':0,'workers':["
                  "{'name':'gone','age_ms':60000,'state':{'consuming':true,'tasks':{'t':{'ok':9,'failed':9}}}},"
                  "{'name':'w','age_ms':1,'state':{'consuming':false,'why':'broker away',"
                  "'paused':{'endpoint':{'code':'bad_key','text':'no','fault':true}}}},"
                  "{'name':'old','age_ms':90000,'state':{'consuming':false,'why':'stopping'}}]}",
                  "{'held':[{'owner':'gone','count':2,'until':'later'}],'leases':{}}", NULL, NULL,
                  "{'workers':[{'state':'dead','…':0},{'state':'not_consuming','…':0},{'state':'stopped','…':0}],'tasks':[],"
                  "'wrong':['gone is dead and holds 2 tasks until later','w does not consume: broker away',"
                  "'endpoint is paused on w: bad_key: no','no worker consumes',"
                  "'scheduled messages are stuck: the first has been due for 61 s',"
                  "'nobody does the fleet\\u0027s duties: chard keep'],'…':0}" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                JSON_OWNED json_t *memory = json_object();
                json_t *model = model_of(rows[i].figures, rows[i].load, rows[i].store, rows[i].broker, 1000, memory);
                assert_outcome(rows[i].label, rows[i].expected, model);
        }
}

static double rate_at(json_t *memory, int64_t now_ms, const char *figures)
{
        JSON_OWNED json_t *model = model_of(figures, NULL, NULL, NULL, now_ms, memory);
        const json_t *rate = json_object_get(json_array_get(json_object_get(model, "workers"), 0), "rate_s");
        return json_is_number(rate) ? json_number_value(rate) : -1;
}

static void a_rate_is_what_ended_between_two_signs_of_life(void **state)
{
        (void)state;
        JSON_OWNED json_t *memory = json_object();
        assert_true(rate_at(memory, 1000, "{'workers':[{'name':'w','age_ms':0," STATE(0, 0, 0, 0, 10) "}]}") < 0);
        /* the same sign of life, a second older */
        assert_true(rate_at(memory, 2000, "{'workers':[{'name':'w','age_ms':1000," STATE(0, 0, 0, 0, 10) "}]}") < 0);
        const double rate = rate_at(memory, 3000, "{'workers':[{'name':'w','age_ms':0," STATE(0, 0, 0, 0, 40) "}]}");
        assert_true(rate > 14.9 && rate < 15.1);
        const double same = rate_at(memory, 4000, "{'workers':[{'name':'w','age_ms':1000," STATE(0, 0, 0, 0, 40) "}]}");
        assert_true(same > 14.9 && same < 15.1);
        /* another process of that name */
        assert_true(rate_at(memory, 5000, "{'workers':[{'name':'w','age_ms':0," STATE(0, 0, 0, 0, 3) "}]}") < 0);
}

/* ---- the frame ---- */

static const char model[] =
        "{'at_ms':3723000,'store':null,'broker':'gone','leader':'k','scheduled':{'count':5,'due':1,'late_ms':70000},'dead':4,"
        "'ended':10,'failed':2,'cost_usd':0.25,'wrong':['the broker is away: gone'],"
        "'queues':[{'queue':'scan.vision','ready':7,'in_flight':3,'slots_free':9,'oldest_age_s':1.5},"
        "{'queue':'chat.answer','ready':70,'in_flight':0,'slots_free':0,'oldest_age_s':300.0},"
        "{'queue':'my.profile','ready':null,'in_flight':null,'slots_free':null,'oldest_age_s':null}],"
        "'workers':[{'worker':'k','role':'keeper','state':'consuming'},"
        "{'worker':'w\\u001b[2J\\u009b1','role':'worker','state':'consuming','in_hand':3,'slots_free':9,'calls':2,'ended':8,"
        "'rate_s':15.0,'held':3,'oldest':{'id':'id-1','task':'scan.vision','ms':900}},"
        "{'worker':'gone','role':'worker','state':'dead','in_hand':1,'slots_free':0,'calls':0,'ended':0,'rate_s':null,'held':2}],"
        "'tasks':[{'task':'scan.vision','ok':8,'failed':2,'average_ms':5000,'cost_usd':0.25,'paused_ms':0},"
        "{'task':'chat.answer','ok':9,'failed':0,'average_ms':null,'cost_usd':0.0,'paused_ms':12000}]}";

struct drawn {
        struct buffer text;
        size_t lines, widest;
};

static void draw(const char *text, enum top_style style, void *arg)
{
        static const char marks[] = { [TOP_PLAIN] = ' ', [TOP_TITLE] = '#', [TOP_WRONG] = '!', [TOP_DIM] = '.' };
        struct drawn *d = (struct drawn *)arg;
        const size_t width = utf8_count(text, strlen(text));
        d->lines++;
        d->widest = width > d->widest ? width : d->widest;
        assert_true(utf8_is(text));
        for (const unsigned char *at = (const unsigned char *)text; *at; at++)
                assert_false(*at < ' ' || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0));
        buffer_addf(&d->text, "%c%s\n", marks[style], text);
}

static void frame_is(struct top_view view, const char *expected)
{
        struct drawn d = { 0 };
        JSON_OWNED json_t *m = json_of(model);
        top_frame(m, &view, draw, &d);
        assert_true(d.lines <= view.height);
        assert_true(d.widest <= view.width);
        buffer_add_byte(&d.text, '\0');
        if (expected && holds_unless_short(!d.text.failed && strcmp((const char *)d.text.data, expected) == 0))
                assert_string_equal(d.text.data, expected);
        else if (expected && !d.text.failed)
                print_message("%s", (const char *)d.text.data);
        buffer_free(&d.text);
}

static void a_frame_has_its_size(void **state)
{
        static const size_t widths[] = { 1, 7, 20, 40, 80, 132, 1000 }, heights[] = { 1, 2, 3, 4, 7, 10, 24, 60 };
        (void)state;
        for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
                for (size_t h = 0; h < sizeof(heights) / sizeof(heights[0]); h++)
                        for (enum top_sort sort = 0; sort < TOP_SORTS; sort++)
                                frame_is((struct top_view){ widths[w], heights[h], sort, true }, NULL);
}

static void a_frame_shows_the_model(void **state)
{
        (void)state;
        static const struct {
                struct top_view view;
                const char *expected;
        } rows[] = {
                { { 100, 24, TOP_BY_LOAD, true },
                  "#chard top  01:02:03 UTC   store up   broker AWAY   duties: k\n"
                  " scheduled 5, due 1 for 70.0 s   dead letters 4   in 5 min: 10 ended, 2 of them failed, $0.250000\n"
                  "!! the broker is away: gone\n"
                  " \n"
                  "#QUEUE           READY  IN FLIGHT     FREE    OLDEST\n"
                  " chat.answer        70          0        0     5 min\n"
                  " scan.vision         7          3        9     1.5 s\n"
                  " my.profile          ?          ?        ?         ?\n"
                  " \n"
                  "#WORKER              STATE  IN HAND     FREE   CALLS    RATE/S  HOLDS\n"
                  " w [2J  1         consuming        3        9       2      15.0  3 held, scan.vision for 900 ms (id-1\n"
                  "!gone                 dead        1        0       0         ?  2 held\n"
                  " k        keeper consuming\n"
                  " \n"
                  "#TASK         OK 5 MIN   FAILED   AVERAGE      COST $    PAUSED\n"
                  "!chat.answer         9        0         -    0.000000    12.0 s\n"
                  " scan.vision         8        2     5.0 s    0.250000\n"
                  ".by load   q quit   order: l load  n name  t time  f failures  c cost, or arrows\n" },
                { { 60, 13, TOP_BY_TIME, true },
                  "#chard top  01:02:03 UTC   store up   broker AWAY   duties: k\n"
                  " scheduled 5, due 1 for 70.0 s   dead letters 4   in 5 min: 1\n"
                  "!! the broker is away: gone\n"
                  " \n"
                  "#QUEUE           READY  IN FLIGHT     FREE    OLDEST\n"
                  " chat.answer        70          0        0     5 min\n"
                  " \n"
                  "#WORKER              STATE  IN HAND     FREE   CALLS    RATE/\n"
                  " w [2J  1         consuming        3        9       2      15\n"
                  " \n"
                  "#TASK       OK 5 MIN   FAILED   AVERAGE      COST $    PAUSED\n"
                  " scan.visi         8        2     5.0 s    0.250000\n"
                  ".by time   q quit   order: l load  n name  t time  f failures\n" },
                { { 100, 100, TOP_BY_COST, false },
                  "#chard top  01:02:03 UTC   store up   broker AWAY   duties: k\n"
                  " scheduled 5, due 1 for 70.0 s   dead letters 4   in 5 min: 10 ended, 2 of them failed, $0.250000\n"
                  "!! the broker is away: gone\n"
                  " \n"
                  "#QUEUE           READY  IN FLIGHT     FREE    OLDEST\n"
                  " chat.answer        70          0        0     5 min\n"
                  " my.profile          ?          ?        ?         ?\n"
                  " scan.vision         7          3        9     1.5 s\n"
                  " \n"
                  "#WORKER              STATE  IN HAND     FREE   CALLS    RATE/S  HOLDS\n"
                  "!gone                 dead        1        0       0         ?  2 held\n"
                  " k        keeper consuming\n"
                  " w [2J  1         consuming        3        9       2      15.0  3 held, scan.vision for 900 ms (id-1\n"
                  " \n"
                  "#TASK         OK 5 MIN   FAILED   AVERAGE      COST $    PAUSED\n"
                  " scan.vision         8        2     5.0 s    0.250000\n"
                  "!chat.answer         9        0         -    0.000000    12.0 s\n" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                frame_is(rows[i].view, rows[i].expected);
}

static void what_is_not_there_is_no_reason_to_fall(void **state)
{
        (void)state;
        static const char *const models[] = { "{}", "{'queues':[],'workers':[{}],'tasks':[null],'wrong':[1]}", "[]" };
        for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
                struct drawn d = { 0 };
                JSON_OWNED json_t *m = json_of(models[i]);
                top_frame(m, &(struct top_view){ 80, 24, TOP_BY_LOAD, true }, draw, &d);
                assert_true(d.lines >= 2);
                buffer_free(&d.text);
        }
        struct drawn d = { 0 };
        top_frame(NULL, &(struct top_view){ 80, 24, TOP_BY_LOAD, true }, draw, &d); /* without memory for a model */
        assert_true(d.lines >= 2);
        buffer_free(&d.text);
}

/* ---- keys ---- */

static void keys(void **state)
{
        (void)state;
        static const struct {
                const char *bytes, *pressed; /* < and >: arrows */
        } rows[] = {
                { "q", "q" },
                { "Lt", "lt" },
                { "\033[C", ">" },
                { "\033[D\033[C", "<>" },
                { "\033OC", ">" },
                { "\033[A\033[B", "" },
                { "\033[1;5C", ">" },
                { "\033\033[D", "<" },
                { "\033q", "q" },
                { "\033[3~q", "q" },
                { " 1\r\n\t\177\303\251", "" },
                { "\033[", "" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct screen_keys k = { 0 };
                char pressed[20] = "";
                for (const char *at = rows[i].bytes; *at; at++) {
                        const enum screen_key key = screen_key(&k, (unsigned char)*at);
                        if (key != SCREEN_NO_KEY)
                                strncat(pressed,
                                        key == SCREEN_LEFT    ? "<"
                                        : key == SCREEN_RIGHT ? ">"
                                                              : (char[]){ k.letter, 0 },
                                        1);
                }
                assert_string_equal(pressed, rows[i].pressed);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_said_becomes_one_object),
                cmocka_unit_test(a_rate_is_what_ended_between_two_signs_of_life),
                cmocka_unit_test(a_frame_has_its_size),
                cmocka_unit_test(a_frame_shows_the_model),
                cmocka_unit_test(what_is_not_there_is_no_reason_to_fall),
                cmocka_unit_test(keys),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
