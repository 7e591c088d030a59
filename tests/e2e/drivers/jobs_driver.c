/* SPDX-License-Identifier: Apache-2.0 */
/* Follows jobs: `jobs_driver STORE_URL` with "ID AFTER" a line on standard input. Prints a line for each step as it is told, with the wall clock, and
 * ends when every job has. */
#include "core/clock.h"
#include "core/json.h"
#include "jobs/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct all {
        struct jobs *jobs;
        unsigned open;
};

static void on_news(const struct job_news *news, const struct problem *why, void *arg)
{
        struct all *all = (struct all *)arg;
        if (why) {
                fprintf(stderr, "%s\n", why->text);
                return;
        }
        if (!news->step)
                return;
        json_t *line = json_copy((json_t *)news->step);
        json_object_set_new(line, "heard_ms", json_integer(clock_wall_ms()));
        char *text = json_dumps(line, JSON_COMPACT);
        puts(text);
        fflush(stdout);
        free(text);
        json_decref(line);
        if (news->ended && --all->open == 0)
                jobs_close(all->jobs);
}

int main(int argc, char **argv)
{
        uv_loop_t loop;
        struct all all = { 0 };
        struct problem why = { 0 };
        char id[JOBS_ID_SIZE];
        unsigned long long after;
        uv_loop_init(&loop);
        const struct jobs_config config = {
                .loop = &loop, .store_url = argc > 1 ? argv[1] : "", .name = "jobs_driver", .connect_timeout_ms = 5000
        };
        if (jobs_open(&all.jobs, &config, &why) != 0) {
                fprintf(stderr, "%s\n", why.text);
                return 1;
        }
        while (scanf("%255s %llu", id, &after) == 2) {
                struct follower *follower;
                if (jobs_follow(all.jobs, id, after, on_news, &all, &follower, &why) != 0)
                        return 1;
                all.open++;
        }
        puts("ready");
        fflush(stdout);
        uv_run(&loop, UV_RUN_DEFAULT);
        return uv_loop_close(&loop) ? 2 : 0;
}
