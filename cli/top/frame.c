/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/layout.h"

#include "core/json.h"
#include "core/text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOP_CELL_SIZE = 200, TOP_LINE_SIZE = 4096, TOP_GAP = 2, TOP_NAME_LEAST = 8 };

struct frame {
        const json_t *model;
        const struct top_view *view;
        top_line *line;
        void *arg;
        size_t left; /* lines that may still be said */
};

/* ---- lines ---- */

/* C0, DEL, and C1 in UTF-8 (ECMA-48, 8.3) become spaces. */
static void frame_clean(char *text)
{
        for (unsigned char *at = (unsigned char *)text; *at; at++) {
                const bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
                if (c1)
                        *at++ = ' ';
                if (c1 || *at < ' ' || *at == 0x7f)
                        *at = ' ';
        }
}

static void frame_say(struct frame *f, enum top_style style, char *text)
{
        if (f->left == 0)
                return;
        f->left--;
        utf8_repair(text, true);
        frame_clean(text);
        text[utf8_prefix(text, f->view->width)] = '\0';
        size_t end = strlen(text);
        while (end && text[end - 1] == ' ')
                text[--end] = '\0';
        f->line(text, style, f->arg);
}

/* ---- cells ---- */

static void frame_span(double ms, char out[TOP_CELL_SIZE])
{
        if (ms < 1000)
                snprintf(out, TOP_CELL_SIZE, "%.0f ms", ms);
        else if (ms < 120e3)
                snprintf(out, TOP_CELL_SIZE, "%.1f s", ms / 1e3);
        else if (ms < 7200e3)
                snprintf(out, TOP_CELL_SIZE, "%.0f min", ms / 60e3);
        else
                snprintf(out, TOP_CELL_SIZE, "%.0f h", ms / 3600e3);
}

static void cell_number(const json_t *row, const char *key, char *out)
{
        const json_t *value = json_object_get(row, key);
        if (json_is_integer(value))
                snprintf(out, TOP_CELL_SIZE, "%lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
                snprintf(out, TOP_CELL_SIZE, "%.1f", json_real_value(value));
        else
                snprintf(out, TOP_CELL_SIZE, "?");
}

static void cell_seconds(const json_t *row, const char *key, char *out)
{
        const json_t *age = json_object_get(row, key);
        if (json_is_number(age))
                frame_span(json_number_value(age) * 1000, out);
        else
                snprintf(out, TOP_CELL_SIZE, "?");
}

static void cell_state(const json_t *row, const char *key, char *out)
{
        snprintf(out, TOP_CELL_SIZE, "%s%s", strcmp(json_text(row, "role", ""), "keeper") == 0 ? "keeper " : "",
                 json_text(row, key, "?"));
        for (char *at = out; *at; at++)
                *at = *at == '_' ? ' ' : *at;
}

/* A keeper has none of it. */
static void cell_of_worker(const json_t *row, const char *key, char *out)
{
        if (strcmp(json_text(row, "role", ""), "keeper") == 0)
                *out = '\0';
        else
                cell_number(row, key, out);
}

/* What it has under lease, and which of its tasks has been at work for longest. */
static void cell_holds(const json_t *row, const char *key, char *out)
{
        const json_t *oldest = json_object_get(row, "oldest");
        const json_int_t held = json_number(row, key, 0);
        char span[TOP_CELL_SIZE], count[40] = "";
        *out = '\0';
        if (held)
                snprintf(count, sizeof(count), "%lld held", (long long)held);
        if (json_is_object(oldest)) {
                frame_span((double)json_number(oldest, "ms", 0), span);
                snprintf(out, TOP_CELL_SIZE, "%s%s%.60s for %.20s (%.40s)", count, held ? ", " : "",
                         json_text(oldest, "task", "?"), span, json_text(oldest, "id", "?"));
        } else {
                snprintf(out, TOP_CELL_SIZE, "%s", count);
        }
}

static void cell_average(const json_t *row, const char *key, char *out)
{
        const json_t *ms = json_object_get(row, key);
        if (json_is_integer(ms))
                frame_span((double)json_integer_value(ms), out);
        else
                snprintf(out, TOP_CELL_SIZE, "-");
}

static void cell_cost(const json_t *row, const char *key, char *out)
{
        snprintf(out, TOP_CELL_SIZE, "%.6f", json_number_value(json_object_get(row, key)));
}

static void cell_paused(const json_t *row, const char *key, char *out)
{
        const json_int_t ms = json_number(row, key, 0);
        *out = '\0';
        if (ms > 0)
                frame_span((double)ms, out);
}

/* ---- tables ---- */

struct top_column {
        const char *title;
        size_t width; /* 0: the last one, as wide as it is */
        void (*cell)(const json_t *row, const char *key, char *out);
        const char *key; /* the row's member that it shows */
};

/* A table of rows: what each is called, its columns, and by which member of a row each order goes (downwards); NULL: by name. */
struct top_table {
        const char *rows, *name, *title;
        const struct top_column *columns;
        const char *order[TOP_SORTS];
};

static const struct top_column queue_columns[] = { { "READY", 8, cell_number, "ready" },
                                                   { "IN FLIGHT", 9, cell_number, "in_flight" },
                                                   { "FREE", 7, cell_number, "slots_free" },
                                                   { "OLDEST", 8, cell_seconds, "oldest_age_s" },
                                                   { 0 } };
static const struct top_column worker_columns[] = { { "STATE", 16, cell_state, "state" },
                                                    { "IN HAND", 7, cell_of_worker, "in_hand" },
                                                    { "FREE", 7, cell_of_worker, "slots_free" },
                                                    { "CALLS", 6, cell_of_worker, "calls" },
                                                    { "RATE/S", 8, cell_of_worker, "rate_s" },
                                                    { "HOLDS", 0, cell_holds, "held" },
                                                    { 0 } };
static const struct top_column task_columns[] = {
        { "OK 5 MIN", 8, cell_number, "ok" },         { "FAILED", 7, cell_number, "failed" },
        { "AVERAGE", 8, cell_average, "average_ms" }, { "COST $", 10, cell_cost, "cost_usd" },
        { "PAUSED", 8, cell_paused, "paused_ms" },    { 0 }
};

enum { TOP_TABLES = 3, TOP_TABLE_LEAST = 3 /* lines: a blank one, the titles, a row */ };

static const struct top_table top_tables[TOP_TABLES] = {
        { "queues", "queue", "QUEUE", queue_columns, { [TOP_BY_LOAD] = "ready", [TOP_BY_TIME] = "oldest_age_s" } },
        { "workers", "worker", "WORKER", worker_columns, { [TOP_BY_LOAD] = "in_hand", [TOP_BY_TIME] = "oldest_ms" } },
        { "tasks",
          "task",
          "TASK",
          task_columns,
          { [TOP_BY_LOAD] = "ok",
            [TOP_BY_TIME] = "average_ms",
            [TOP_BY_FAILURES] = "failed",
            [TOP_BY_COST] = "cost_usd" } },
};

struct top_order {
        const struct top_table *table;
        enum top_sort sort;
};

/* What is not known stands behind what is. */
static double top_rank(const json_t *row, const char *key)
{
        if (strcmp(key, "oldest_ms") == 0)
                return (double)json_number(json_object_get(row, "oldest"), "ms", -1);
        const json_t *value = json_object_get(row, key);
        return json_is_number(value) ? json_number_value(value) : -1;
}

static int top_compare(const void *left, const void *right, void *arg)
{
        const struct top_order *o = (const struct top_order *)arg;
        const json_t *a = *(const json_t *const *)left, *b = *(const json_t *const *)right;
        const char *key = o->table->order[o->sort];
        const double ra = key ? top_rank(a, key) : 0, rb = key ? top_rank(b, key) : 0;
        if (ra < rb || ra > rb)
                return ra < rb ? 1 : -1;
        return strcmp(json_text(a, o->table->name, ""), json_text(b, o->table->name, ""));
}

static size_t table_name_width(const struct frame *f, const struct top_table *t, const json_t *rows)
{
        size_t width = strlen(t->title), rest = 0, i;
        const json_t *row;
        json_array_foreach(rows, i, row) {
                const char *name = json_text(row, t->name, "?");
                const size_t count = utf8_count(name, strlen(name));
                width = count > width ? count : width;
        }
        for (const struct top_column *c = t->columns; c->title; c++)
                rest += c->width + TOP_GAP;
        const size_t most = f->view->width > rest + TOP_NAME_LEAST ? f->view->width - rest : TOP_NAME_LEAST;
        return width < most ? width : most;
}

/* Append a text, cut to `width` characters and filled up to them, on this side. */
static void frame_add(char line[TOP_LINE_SIZE], const char *text, size_t width, bool to_the_right)
{
        const size_t size = utf8_prefix(text, width), blank = width - utf8_count(text, size), at = strlen(line);
        snprintf(line + at, TOP_LINE_SIZE - at, "%*s%.*s%*s", (int)(to_the_right ? blank : 0), "", (int)size, text,
                 (int)(to_the_right ? 0 : blank), "");
}

/* A row, or (NULL) the titles. */
static void table_line(struct frame *f, const struct top_table *t, const json_t *row, size_t name_width)
{
        char line[TOP_LINE_SIZE] = "", cell[TOP_CELL_SIZE];
        frame_add(line, row ? json_text(row, t->name, "?") : t->title, name_width, false);
        for (const struct top_column *c = t->columns; c->title; c++) {
                snprintf(cell, sizeof(cell), "%s", c->title);
                if (row)
                        c->cell(row, c->key, cell);
                utf8_repair(cell, true);
                frame_add(line, "", TOP_GAP, false);
                frame_add(line, cell, c->width ? c->width : strlen(cell), c->width > 0);
        }
        const bool bad =
                row && (strcmp(json_text(row, "state", ""), "dead") == 0 || json_number(row, "paused_ms", 0) > 0);
        frame_say(f, bad ? TOP_WRONG : row ? TOP_PLAIN : TOP_TITLE, line);
}

/* Say it in so many lines: a blank one, the titles, and rows; what finds no room is counted. */
static void table_say(struct frame *f, const struct top_table *t, size_t lines)
{
        const json_t *rows = json_object_get(f->model, t->rows);
        const size_t count = json_array_size(rows), room = lines > 2 ? lines - 2 : 0,
                     shown = count <= room ? count
                             : room > 1    ? room - 1
                                           : room;
        const json_t **sorted = room ? malloc((count + 1) * sizeof(*sorted)) : NULL;
        struct top_order order = { t, f->view->sort };
        char blank[] = "", more[64];
        if (!sorted)
                return;
        for (size_t i = 0; i < count; i++)
                sorted[i] = json_array_get(rows, i);
        qsort_r(sorted, count, sizeof(*sorted), top_compare, &order);
        const size_t width = table_name_width(f, t, rows);
        frame_say(f, TOP_PLAIN, blank);
        table_line(f, t, NULL, width);
        for (size_t i = 0; i < shown; i++)
                table_line(f, t, sorted[i], width);
        free(sorted);
        snprintf(more, sizeof(more), "… %zu more", count - shown);
        if (shown < count && room > 1)
                frame_say(f, TOP_DIM, more);
}

/* The first ones get room for a row; then each gets a line in turn, until all have what they need, or none is left. */
static void frame_share(size_t left, const size_t needs[TOP_TABLES], size_t gets[TOP_TABLES])
{
        bool more = true;
        for (size_t i = 0; i < TOP_TABLES; i++) {
                gets[i] = needs[i] && left >= TOP_TABLE_LEAST ? TOP_TABLE_LEAST : 0;
                left -= gets[i];
        }
        while (more) {
                more = false;
                for (size_t i = 0; i < TOP_TABLES && left; i++)
                        if (gets[i] && gets[i] < needs[i]) {
                                gets[i]++;
                                left--;
                                more = true;
                        }
        }
}

static void frame_tables(struct frame *f, size_t left)
{
        size_t needs[TOP_TABLES], gets[TOP_TABLES];
        for (size_t i = 0; i < TOP_TABLES; i++) {
                const size_t count = json_array_size(json_object_get(f->model, top_tables[i].rows));
                needs[i] = count ? count + 2 : 0;
        }
        frame_share(left, needs, gets);
        for (size_t i = 0; i < TOP_TABLES; i++)
                table_say(f, &top_tables[i], gets[i]);
}

/* ---- head and foot ---- */

static void frame_head(struct frame *f)
{
        char line[TOP_LINE_SIZE], clock[32] = "";
        const json_t *m = f->model, *scheduled = json_object_get(m, "scheduled");
        const time_t now = (time_t)(json_number(m, "at_ms", 0) / 1000);
        struct tm utc;
        if (gmtime_r(&now, &utc))
                strftime(clock, sizeof(clock), "%H:%M:%S", &utc);
        snprintf(line, sizeof(line), "chard top  %s UTC   store %s   broker %s   duties: %.200s", clock,
                 json_text(m, "store", NULL) ? "AWAY" : "up", json_text(m, "broker", NULL) ? "AWAY" : "up",
                 json_text(m, "leader", "nobody"));
        frame_say(f, TOP_TITLE, line);
        char late[TOP_CELL_SIZE] = "", count[TOP_CELL_SIZE], due[TOP_CELL_SIZE], dead[TOP_CELL_SIZE];
        cell_number(scheduled, "count", count);
        cell_number(scheduled, "due", due);
        cell_number(m, "dead", dead);
        if (json_number(scheduled, "late_ms", 0) > 0)
                frame_span((double)json_number(scheduled, "late_ms", 0), late);
        snprintf(line, sizeof(line),
                 "scheduled %s, due %s%s%s   dead letters %s   in 5 min: %lld ended, %lld of them failed, $%.6f", count,
                 due, *late ? " for " : "", late, dead, (long long)json_number(m, "ended", 0),
                 (long long)json_number(m, "failed", 0), json_number_value(json_object_get(m, "cost_usd")));
        frame_say(f, TOP_PLAIN, line);
}

/* At most a third of the frame; what finds no room is counted. */
static void frame_wrong(struct frame *f)
{
        const json_t *wrong = json_object_get(f->model, "wrong");
        const size_t count = json_array_size(wrong), most = f->view->height / 3 + 1,
                     shown = count <= most ? count : most - 1;
        char line[TOP_LINE_SIZE];
        for (size_t i = 0; i < shown; i++) {
                snprintf(line, sizeof(line), "! %s", json_string_value(json_array_get(wrong, i)));
                frame_say(f, TOP_WRONG, line);
        }
        snprintf(line, sizeof(line), "! and %zu more: chard status", count - shown);
        if (shown < count)
                frame_say(f, TOP_WRONG, line);
}

static void frame_keys(struct frame *f)
{
        static const char *const names[TOP_SORTS] = { "load", "name", "time", "failures", "cost" };
        char line[TOP_LINE_SIZE];
        snprintf(line, sizeof(line), "by %s   q quit   order: l load  n name  t time  f failures  c cost, or arrows",
                 names[f->view->sort]);
        frame_say(f, TOP_DIM, line);
}

void top_frame(const json_t *model, const struct top_view *view, top_line *line, void *arg)
{
        struct frame f = { model, view, line, arg, view->height };
        const size_t foot = view->keys && view->height > 3;
        f.left -= foot;
        frame_head(&f);
        frame_wrong(&f);
        frame_tables(&f, f.left);
        f.left += foot;
        if (foot)
                frame_keys(&f);
}
