/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/move/move.h"

#include "core/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 500, ANSWER_MS = 60000 };

static const char *const names[CARRY_KINDS] = {
        [CARRY_JOBS] = "jobs",           [CARRY_TASKS] = "tasks",         [CARRY_EVENTS] = "events",
        [CARRY_FACTS] = "facts",         [CARRY_INBOX] = "inbox rows",    [CARRY_AUDITS] = "audit rows",
        [CARRY_ONCE] = "request keys",   [CARRY_KEYS] = "API keys",       [CARRY_DEAD] = "dead letters",
        [CARRY_UNTOLD] = "results owed", [CARRY_SCHEDULED] = "scheduled", [CARRY_WEBHOOKS] = "webhooks",
};

static void move_rows_note(struct carrying *c, const struct problem *why)
{
        c->failed = why != NULL;
        if (why)
                c->why = *why;
        wait_done(&c->move->wait);
}

static void move_rows_on_page(json_t *page, const struct problem *why, void *arg)
{
        struct carrying *c = (struct carrying *)arg;
        json_decref(c->page);
        c->page = json_incref(page);
        move_rows_note(c, why);
}

static void on_taken(json_t *answer, const struct problem *why, void *arg)
{
        struct carrying *c = (struct carrying *)arg;
        c->carried += (size_t)json_number(answer, "count", 0);
        move_rows_note(c, why);
}

static void on_off(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct problem closed;
        (void)stored;
        if (result != STORE_DONE && !why)
                problem_set(&closed, "store", "closed", "the store was closed");
        move_rows_note((struct carrying *)arg, result == STORE_DONE ? NULL : why ? why : &closed);
}

/* Returns 0, or an exit code after saying that there is no answer; what was answered is in `c`. */
static int move_rows_hear(struct carrying *c)
{
        if (wait_for(&c->move->wait, ANSWER_MS))
                return 0;
        fprintf(stderr, "chard %s: no answer while moving %s; run it again\n", c->move->self->name, names[c->kind]);
        return EXIT_UNREACHABLE;
}

static int take_in(struct carrying *c, const json_t *rows)
{
        c->move->to->carry->in(c->move->to, c->kind, rows, on_taken, c);
        return move_rows_hear(c);
}

/* A page that the target refuses: row by row, so that only the one that it can't store stays behind. */
static int take_in_one_by_one(struct carrying *c)
{
        size_t i;
        json_t *row;
        json_array_foreach(c->page, i, row) {
                JSON_OWNED json_t *alone = json_pack("[O]", row);
                const int code = take_in(c, alone);
                if (code)
                        return code;
                if (!c->failed)
                        continue;
                c->refused++;
                fprintf(stderr, "chard %s: of %s, row %lld stays: %s\n", c->move->self->name, names[c->kind],
                        (long long)json_number(row, "cursor", 0), c->why.text);
        }
        c->failed = false;
        return 0;
}

static int carry_page(struct carrying *c)
{
        int code = take_in(c, c->page);
        if (code == 0 && c->failed)
                code = take_in_one_by_one(c);
        if (code)
                return code;
        c->found += json_array_size(c->page);
        c->cursor = json_number(json_array_get(c->page, json_array_size(c->page) - 1), "cursor", 0);
        if (c->refused)
                return 0; /* nothing is taken away that may not have arrived */
        c->move->from->carry->off(c->move->from, c->kind, c->cursor, on_off, c);
        code = move_rows_hear(c);
        return code || !c->failed ? code : command_fail(c->move->self, 1, &c->why);
}

static int carry_kind(struct carrying *c)
{
        for (;;) {
                c->move->from->carry->out(c->move->from, c->kind, c->cursor, PAGE, move_rows_on_page, c);
                int code = move_rows_hear(c);
                if (code == 0 && c->failed)
                        code = command_fail(c->move->self, 1, &c->why);
                if (code == 0 && json_array_size(c->page) == 0)
                        return 0;
                if (code == 0)
                        code = carry_page(c);
                if (code)
                        return code;
                if (isatty(STDERR_FILENO))
                        fprintf(stderr, "\r%-14s %zu", names[c->kind], c->found);
        }
}

int move_rows(struct move *m)
{
        if (!m->from->carry->out || !m->to->carry->in)
                return command_misuse(m->self, "these two stores can't be moved between");
        for (enum carried kind = 0; kind < CARRY_KINDS; kind++) {
                struct carrying *c = &m->rows;
                *c = (struct carrying){ .move = m, .kind = kind };
                const int code = carry_kind(c);
                json_decref(c->page);
                c->page = NULL;
                if (code)
                        return code;
                m->refused += c->refused;
                if (isatty(STDERR_FILENO))
                        fputs("\r\033[K", stderr);
                printf("%-14s %8zu moved %8zu there already\n", names[kind], c->carried,
                       c->found - c->carried - c->refused);
                fflush(stdout); /* so that whoever reads along sees how far it is */
        }
        return 0;
}
