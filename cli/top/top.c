/* SPDX-License-Identifier: Apache-2.0 */
/* `chard top`: a live view of the fleet: asks broker and store once a second, as /stats/queues does, and draws what they say. */
#include "cli/top/layout.h"

#include "cli/common/seek.h"
#include "cli/common/view.h"
#include "cli/jobs/client.h"
#include "cli/top/screen.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "observe/fleet.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
        TOP_QUEUES = 256,
        TOP_EVERY_MS = 1000,
        TOP_ANSWER_MS = 10000,
        TOP_LOAD_MS = 5000,   /* leases and who leads are asked for so often: they need many rows */
        TOP_UNBOUNDED = 1000, /* characters and lines where no terminal bounds them */
};

struct top {
        struct jobs_client client;
        const struct settings *settings;
        struct seek broker;
        struct fleet *fleet;
        const char *queues[TOP_QUEUES];
        size_t queue_count;
        json_t *memory, *load; /* owned; load: what the store said last, or NULL */
        uint64_t load_ms;
        bool load_asked, looking;
        struct broker_health health; /* of the broker, at the last look */
        struct screen screen;
        uv_timer_t timer;
        enum top_sort sort;
        bool json;
};

/* ---- what is known ---- */

/* NULL: it answers. The text lives as long as `t`, or is constant. */
static const char *top_broker_away(struct top *t)
{
        if (!t->broker.broker)
                return t->broker.why.text;
        broker_health(t->broker.broker, &t->health);
        return broker_health_takes(&t->health) ? NULL : *t->health.why ? t->health.why : "not connected yet";
}

static const char *top_store_away(const struct top *t)
{
        struct store *s = jobs_store(t->client.jobs);
        return !s->backend->up(s) ? "no connection" : !fleet_figures(t->fleet) ? "it does not answer" : NULL;
}

static json_t *top_queues(struct top *t)
{
        json_t *queues = json_array();
        const char *name;
        for (size_t i = 0; (name = fleet_queue_name(t->fleet, i)); i++) {
                const struct picture p = fleet_queue(t->fleet, i);
                if (!p.missing)
                        json_array_append_new(queues, top_queue(name, &p));
        }
        return queues;
}

static json_t *top_look_at(struct top *t)
{
        JSON_OWNED json_t *queues = top_queues(t);
        const json_t *figures = fleet_figures(t->fleet);
        const struct top_said said = {
                .now_ms = clock_wall_ms(),
                .figures = figures,
                .load = figures ? t->load : NULL,
                .queues = queues,
                .store = top_store_away(t),
                .broker = top_broker_away(t),
        };
        return top_model(&said, t->memory);
}

/* ---- drawing ---- */

static void top_draw(struct top *t)
{
        struct top_view view = { .sort = t->sort, .keys = true };
        JSON_OWNED json_t *model = top_look_at(t);
        screen_size(&view.width, &view.height);
        screen_begin(&t->screen);
        top_frame(model, &view, screen_line, &t->screen);
        screen_end(&t->screen);
}

static void top_print_line(const char *text, enum top_style style, void *arg)
{
        (void)style, (void)arg;
        puts(text);
}

/* One frame, as long as it is; as wide as the terminal, if it is one. */
static void top_print(struct top *t)
{
        const struct top_view view = { .width = view_width(TOP_UNBOUNDED), .height = TOP_UNBOUNDED, .sort = t->sort };
        JSON_OWNED json_t *model = top_look_at(t);
        if (t->json)
                view_json(model);
        else
                top_frame(model, &view, top_print_line, NULL);
}

/* ---- asking ---- */

static void top_on_load(json_t *value, const struct problem *why, void *arg)
{
        struct top *t = (struct top *)arg;
        json_decref(t->load);
        t->load = why ? NULL : json_incref(value);
        t->load_asked = false;
}

static void top_ask_load(struct top *t, uint64_t now_ms)
{
        struct store *s = jobs_store(t->client.jobs);
        if (t->load_asked || !s->backend->up(s) || (t->load_ms && now_ms - t->load_ms < TOP_LOAD_MS))
                return;
        t->load_asked = true;
        t->load_ms = now_ms;
        jobs_load(t->client.jobs, top_on_load, t);
}

static int top_open_fleet(struct top *t)
{
        const struct fleet_config config = {
                .loop = &t->client.wait.loop,
                .broker = t->broker.broker,
                .store = jobs_store(t->client.jobs),
                .queues = t->queues,
                .queue_count = t->queue_count,
        };
        return fleet_open(&t->fleet, &config);
}

static void top_on_broker(struct broker *broker, void *arg)
{
        fleet_use(((struct top *)arg)->fleet, broker);
}

/* ---- live ---- */

static void top_on_looked(void *arg)
{
        struct top *t = (struct top *)arg;
        t->looking = false;
        if (t->screen.entered)
                top_draw(t);
}

static void top_on_time(uv_timer_t *timer)
{
        struct top *t = (struct top *)timer->data;
        const uint64_t now_ms = clock_mono_ms();
        if (t->looking)
                return;
        top_ask_load(t, now_ms);
        t->looking = true;
        fleet_look(t->fleet, top_on_looked, t);
}

static void top_on_ended(void *arg)
{
        uv_stop(&((struct top *)arg)->client.wait.loop);
}

static void top_on_resized(void *arg)
{
        top_draw((struct top *)arg);
}

static void top_on_key(enum screen_key key, char letter, void *arg)
{
        static const char letters[TOP_SORTS + 1] = "lntfc";
        struct top *t = (struct top *)arg;
        const char *at = key == SCREEN_LETTER ? strchr(letters, letter) : NULL;
        if (key == SCREEN_LETTER && letter == 'q') {
                top_on_ended(t);
                return;
        }
        if (at)
                t->sort = (enum top_sort)(at - letters);
        else if (key != SCREEN_LETTER)
                t->sort = (enum top_sort)((t->sort + (key == SCREEN_RIGHT ? 1U : TOP_SORTS - 1U)) % TOP_SORTS);
        top_draw(t);
}

static void top_live(struct top *t)
{
        uv_loop_t *loop = &t->client.wait.loop;
        t->screen = (struct screen){
                .loop = loop, .pressed = top_on_key, .resized = top_on_resized, .ended = top_on_ended, .arg = t
        };
        screen_open(&t->screen);
        uv_timer_init(loop, &t->timer);
        t->timer.data = t;
        uv_timer_start(&t->timer, top_on_time, 0, TOP_EVERY_MS);
        uv_run(loop, UV_RUN_DEFAULT);
        uv_close((uv_handle_t *)&t->timer, NULL);
        screen_close(&t->screen);
}

/* ---- all of it ---- */

static void top_on_once(void *arg)
{
        wait_done(&((struct top *)arg)->client.wait);
}

/* What is not said in time is shown as not known. */
static int top_once(struct top *t)
{
        jobs_load(t->client.jobs, jobs_client_on_value, &t->client);
        const int code = jobs_client_wait(&t->client, TOP_ANSWER_MS);
        if (code)
                return code;
        t->load = json_incref(t->client.value);
        fleet_look(t->fleet, top_on_once, t);
        wait_for(&t->client.wait, TOP_ANSWER_MS);
        top_print(t);
        return EXIT_DONE;
}

static int top_open(struct top *t, const struct command *self)
{
        int code = jobs_client_open(&t->client, self, t->settings, NULL, JOBS_STORE);
        if (code)
                return code;
        t->broker = (struct seek){ .loop = &t->client.wait.loop,
                                   .settings = t->settings,
                                   .name = "chard top",
                                   .found = top_on_broker,
                                   .arg = t };
        seek_open(&t->broker);
        t->queue_count = catalog_queues(t->client.catalog, t->queues, TOP_QUEUES);
        t->memory = json_object();
        code = top_open_fleet(t);
        return code ? command_fail(self, code, NULL) : 0;
}

static void top_close(struct top *t)
{
        fleet_close(t->fleet);
        if (t->broker.loop)
                seek_close(&t->broker);
        jobs_client_close(&t->client);
        json_decref(t->memory);
        json_decref(t->load);
}

static int top_show(const struct command *self, struct top *t, bool once)
{
        if (!once && isatty(STDERR_FILENO))
                log_to(NULL, NULL); /* its lines would stand in the middle of the frame, which says the same */
        int code = top_open(t, self);
        if (code == 0 && once)
                code = top_once(t);
        else if (code == 0)
                top_live(t);
        top_close(t);
        return code;
}

static int top_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct top t = { .settings = &s };
        bool once = false;
        const struct own_flag own[] = {
                { "--once", 0, &once, NULL, NULL, "print one frame, whole, and end; so where stdout is no terminal" },
                { "--json", 0, &t.json, NULL, NULL, "print what a frame shows as one JSON object, and end" },
                { 0 },
        };
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        code = top_show(self, &t, once || t.json || !isatty(STDOUT_FILENO));
        settings_free(&s);
        return code;
}

const struct command command_top = {
        .name = "top",
        .summary = "Watch the fleet: queues, workers and what they hold, slow and failing tasks, pauses, cost",
        .usage = "[--once] [--json]",
        .example = "  chard top\n"
                   "  chard top --once | less",
        .details =
                "Keys: q ends it; l, n, t, f and c, or the arrows to left and right, put the rows in order by load, name, time, failures and cost.\n"
                "What is not known is shown as ?. A store or a broker that goes away is named, and the view goes on when it is back.",
        .run = top_run,
};
