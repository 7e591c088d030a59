/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"

#include "cli/command.h"
#include "core/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { JOB_SHOWN = 8 }; /* bytes of its id: enough to tell those on one screen apart */

#define GREEN  "\033[32m"
#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define DIM    "\033[2m"
#define PLAIN  "\033[0m"

static void put(const char *colour, const char *text)
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
        put(DIM, text);
}

/* Whose task it is. */
static void put_task(const struct worker_progress *p)
{
        char text[256];
        snprintf(text, sizeof(text), "  %-5s %-*.*s  %-14s ", p->pipeline, JOB_SHOWN, JOB_SHOWN, p->root_id, p->name);
        print_plain(stdout, text);
}

static void put_why(const struct worker_progress *p)
{
        fputs(": ", stdout);
        print_plain(stdout, p->why->text);
}

void live_show(const struct worker_progress *p, void *unused)
{
        (void)unused;
        put_time();
        put_task(p);
        switch (p->what) {
        case WORKER_TASK_STARTED:
                put(YELLOW, "…");
                fputs(" runs", stdout);
                break;
        case WORKER_TASK_DONE:
                put(GREEN, "✓");
                printf(" %u ms", p->elapsed_ms);
                put(GREEN, p->last ? "  job done" : "");
                break;
        case WORKER_TASK_RETRIED:
                put(YELLOW, "↻");
                printf(" %s; again in %.1f s", p->why->code, (double)p->wait_ms / 1000);
                put_why(p);
                break;
        case WORKER_TASK_PAUSED:
                put(YELLOW, "⏸");
                printf(" put away for %.1f s, no attempt is counted", (double)p->wait_ms / 1000);
                break;
        case WORKER_TASK_DEAD:
                put(RED, "✗ ");
                put(RED, p->why->code);
                put_why(p);
                break;
        default: break;
        }
        putchar('\n');
        fflush(stdout);
}
