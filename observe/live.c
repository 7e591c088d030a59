/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/live.h"

#include "core/clock.h"
#include "core/text/print.h"
#include "tasks/task.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { JOB_SHOWN = 8 }; /* bytes of its id: enough to tell those on one screen apart */

#define GREEN  "\033[32m"
#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define DIM    "\033[2m"
#define PLAIN  "\033[0m"

static void live_put(const char *colour, const char *text)
{
        const bool colours = print_colours(stdout);
        if (colours)
                fputs(colour, stdout);
        print_plain(stdout, text);
        if (colours)
                fputs(PLAIN, stdout);
}

static void put_time(void)
{
        const int64_t now_ms = clock_wall_ms();
        const time_t seconds = (time_t)(now_ms / 1000);
        char text[32];
        struct tm local;
        localtime_r(&seconds, &local);
        snprintf(text, sizeof(text), "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
                 (int)(now_ms % 1000));
        live_put(DIM, text);
}

/* Whose task it is. */
static void put_task(const struct run_ids *ids)
{
        char text[256];
        snprintf(text, sizeof(text), "  %-5s %-*.*s  %-14s ", ids->pipeline, JOB_SHOWN, JOB_SHOWN, ids->root_id,
                 ids->name);
        print_plain(stdout, text);
}

static void put_why(const struct problem *why)
{
        fputs(": ", stdout);
        print_plain(stdout, why->text);
}

static void put_event(const struct run_event *e)
{
        switch (e->kind) {
        case RUN_CLAIMED:
                live_put(YELLOW, "…");
                fputs(" runs", stdout);
                break;
        case RUN_COMMITTED:
                live_put(GREEN, "✓");
                printf(" %u ms", e->usage.elapsed_ms);
                live_put(GREEN, e->last ? "  job done" : "");
                break;
        case RUN_RETRYING:
                live_put(YELLOW, "↻");
                printf(" %s; again in %.1f s", e->why->code, (double)e->wait_ms / 1000);
                put_why(e->why);
                break;
        case RUN_PAUSED:
                live_put(YELLOW, "⏸");
                printf(" put away for %.1f s, no attempt is counted", (double)e->wait_ms / 1000);
                break;
        case RUN_DEAD:
                live_put(RED, "✗ ");
                live_put(RED, e->why->code);
                put_why(e->why);
                break;
        default: break;
        }
}

/* Tasks that leave no trace in the store are shown when they die. */
static bool is_shown(const struct run_event *e)
{
        const bool counts = e->kind != RUN_COMMITTED || !(e->def->flags & TASK_STATELESS);
        return e->ids.id && e->ids.name && !e->held && counts;
}

static void live_tell(struct observer *o, const struct run_event *e)
{
        (void)o;
        if (!is_shown(e))
                return;
        put_time();
        put_task(&e->ids);
        put_event(e);
        putchar('\n');
        fflush(stdout);
}

struct observer live_view(void)
{
        return (struct observer){
                .kinds = RUN_BIT(RUN_CLAIMED) | RUN_BIT(RUN_COMMITTED) | RUN_BIT(RUN_RETRYING) | RUN_BIT(RUN_PAUSED) |
                         RUN_BIT(RUN_DEAD),
                .tell = live_tell,
        };
}
