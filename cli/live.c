/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"

#include "core/clock.h"

#include <stdio.h>
#include <time.h>

enum { JOB_SHOWN = 8 }; /* bytes of its id: enough to tell those on one screen apart */

#define GREEN  "\033[32m"
#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define DIM    "\033[2m"
#define PLAIN  "\033[0m"

static void print_time(void)
{
        const int64_t now_ms = clock_wall_ms();
        const time_t seconds = (time_t)(now_ms / 1000);
        struct tm local;
        localtime_r(&seconds, &local);
        printf(DIM "%02d:%02d:%02d.%03d" PLAIN "  ", local.tm_hour, local.tm_min, local.tm_sec, (int)(now_ms % 1000));
}

void live_show(const struct worker_progress *p, void *unused)
{
        (void)unused;
        print_time();
        printf("%-5s %-*.*s  %-14s ", p->pipeline, JOB_SHOWN, JOB_SHOWN, p->root_id, p->name);
        switch (p->what) {
        case WORKER_TASK_STARTED: printf(YELLOW "…" PLAIN " runs"); break;
        case WORKER_TASK_DONE:
                printf(GREEN "✓" PLAIN " %u ms%s", p->elapsed_ms, p->last ? GREEN "  job done" PLAIN : "");
                break;
        case WORKER_TASK_RETRIED:
                printf(YELLOW "↻" PLAIN " %s; again in %.1f s: %.200s", p->why->code, (double)p->wait_ms / 1000,
                       p->why->text);
                break;
        case WORKER_TASK_PAUSED:
                printf(YELLOW "⏸" PLAIN " put away for %.1f s, no attempt is counted", (double)p->wait_ms / 1000);
                break;
        case WORKER_TASK_DEAD: printf(RED "✗ %s" PLAIN ": %.300s", p->why->code, p->why->text); break;
        }
        putchar('\n');
        fflush(stdout);
}
