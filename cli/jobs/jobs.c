/* SPDX-License-Identifier: Apache-2.0 */
/* `chard jobs`: which jobs there are. */
#include "cli/jobs/client.h"

#include "cli/common/times.h"
#include "cli/common/view.h"
#include "core/json.h"
#include "core/text/print.h"
#include "store/job_cursor.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* LIST_LOOKED: a filter that no index knows looks at so many jobs, unless it is told to go on. */
enum { LIST_ANSWER_MS = 15000, LIST_PAGE = 500, LIST_MOST = 100000, LIST_LIMIT = 20, LIST_LOOKED = 100000 };

struct list {
        struct job_filter filter;
        const char *state, *since, *until, *limit;
        unsigned wanted, printed, looked;
        bool json, all;
        char *cursor; /* owned */
};

static int list_state(const struct command *self, struct list *l)
{
        static const char *const states[] = { "SUCCESS", "FAILURE", "REVOKED", "STARTED", "PENDING", "RETRY" };
        if (!l->state || strcmp(l->state, "open") == 0 || strcmp(l->state, "unlucky") == 0) {
                l->filter.state = l->state;
                return 0;
        }
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
                if (strcasecmp(l->state, states[i]) == 0) {
                        l->filter.state = states[i];
                        return 0;
                }
        return command_misuse(self, "--state: \"%.40s\" is none of success, failure, revoked, started, open, unlucky",
                              l->state);
}

static int list_read(const struct command *self, struct list *l)
{
        char *end = NULL;
        if (l->since && !time_read(l->since, &l->filter.since_ms))
                return command_misuse(self, "--since: \"%.60s\" is no time; write 2h (ago), or 2026-11-21T08:00:00Z",
                                      l->since);
        if (l->until && !time_read(l->until, &l->filter.until_ms))
                return command_misuse(self, "--until: \"%.60s\" is no time; write 2h (ago), or 2026-11-21T08:00:00Z",
                                      l->until);
        l->wanted = LIST_LIMIT;
        if (l->limit) {
                const long limit = strtol(l->limit, &end, 10);
                if (!isdigit((unsigned char)*l->limit) || *end || limit < 1 || limit > LIST_MOST)
                        return command_misuse(self, "--limit: \"%.40s\" is no number from 1 to %d", l->limit,
                                              LIST_MOST);
                l->wanted = (unsigned)limit;
        }
        return list_state(self, l);
}

/* ---- printing ---- */

static void list_print(const struct list *l, const json_t *job)
{
        const json_t *error = json_object_get(job, "error");
        if (l->json) {
                json_dumpf(job, stdout, JSON_COMPACT);
                putchar('\n');
                return;
        }
        printf("%s  %.19s  %-8s  ", json_text(job, "id", "?"), json_text(job, "created_at", "?"),
               json_text(job, "state", "?"));
        print_plain(stdout, json_text(job, "pipeline", ""));
        fputs("  ", stdout);
        print_plain(stdout, json_text(job, "user_id", ""));
        if (json_is_object(error)) {
                printf("  %s: ", json_text(error, "code", "?"));
                print_plain(stdout, json_text(error, "text", "?"));
        }
        putchar('\n');
}

/* A page that gave less than was asked for has looked at as many rows as pages have. */
static void list_count(struct list *l, size_t found)
{
        const bool texts = l->filter.text && *l->filter.text;
        if (found < l->filter.limit && l->cursor)
                l->looked += texts ? JOB_PAGE_TEXTS : JOB_PAGE_ROWS;
}

static bool list_goes_on(const struct list *l)
{
        return l->cursor && l->printed < l->wanted && (l->all || l->looked < LIST_LOOKED);
}

/* A page; the next one's cursor in l->cursor, or NULL there. */
static int list_page(struct jobs_client *c, struct list *l)
{
        size_t i;
        json_t *job;
        const unsigned left = l->wanted - l->printed;
        l->filter.limit = left < LIST_PAGE ? left : LIST_PAGE;
        l->filter.cursor = l->cursor ? l->cursor : l->filter.cursor;
        jobs_list(c->jobs, &l->filter, jobs_client_on_value, c);
        const int code = jobs_client_wait(c, LIST_ANSWER_MS);
        if (code)
                return code;
        json_array_foreach(json_object_get(c->value, "jobs"), i, job) {
                list_print(l, job);
                l->printed++;
        }
        const char *cursor = json_text(c->value, "cursor", NULL);
        free(l->cursor);
        l->cursor = cursor ? strdup(cursor) : NULL;
        list_count(l, json_array_size(json_object_get(c->value, "jobs")));
        return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

static int list_all(const struct command *self, const struct settings *s, struct list *l)
{
        struct jobs_client c;
        int code = jobs_client_open(&c, self, s, NULL, JOBS_STORE);
        if (code == 0)
                do
                        code = list_page(&c, l);
                while (code == 0 && list_goes_on(l));
        if (code == 0 && l->cursor && l->json)
                printf("{\"cursor\":\"%s\"}\n", l->cursor);
        else if (code == 0 && l->cursor && l->printed < l->wanted)
                fprintf(stderr, "looked at %u jobs; further back: --cursor %s, or --all at once\n", l->looked,
                        l->cursor);
        else if (code == 0 && l->cursor)
                fprintf(stderr, "there are more: --cursor %s\n", l->cursor);
        jobs_client_close(&c);
        free(l->cursor);
        return code;
}

static int list_run(const struct command *self, int argc, char **argv)
{
        struct list l = { 0 };
        const struct own_flag own[] = {
                { "--pipeline", 0, NULL, &l.filter.pipeline, "NAME", "runs of this pipeline" },
                { "--state", 0, NULL, &l.state, "STATE",
                  "success, failure, revoked, started; open: not ended; unlucky: failed or revoked" },
                { "--user", 0, NULL, &l.filter.user_id, "ID", "of this user" },
                { "--since", 0, NULL, &l.since, "TIME", "begun then or later: 90s, 15m, 2h, 7d ago, or ISO 8601" },
                { "--until", 0, NULL, &l.until, "TIME", "begun before then" },
                { "--task", 0, NULL, &l.filter.task, "NAME", "with a task of this name" },
                { "--text", 0, NULL, &l.filter.text, "TEXT",
                  "with this text in the document, in whatever case; reads every document: say also which user or since when" },
                { "--all", 0, &l.all, NULL, NULL,
                  "look at all jobs; else a search that finds little ends after a hundred thousand, and says so" },
                { "--limit", 0, NULL, &l.limit, "N", "so many at most (default: 20)" },
                { "--cursor", 0, NULL, &l.filter.cursor, "CURSOR", "go on behind a list that was cut" },
                { "--json", 0, &l.json, NULL, NULL,
                  "one JSON object a line; the last is {\"cursor\"} when there are more" },
                { 0 },
        };
        struct settings s;
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        code = list_read(self, &l);
        if (code == 0)
                code = list_all(self, &s, &l);
        settings_free(&s);
        return code;
}

const struct command command_jobs = {
        .name = "jobs",
        .summary = "List jobs, newest first",
        .usage =
                "[--pipeline NAME] [--state STATE] [--user ID] [--since TIME] [--until TIME] [--task NAME] [--text TEXT] [--all] [--limit N] [--cursor CURSOR] [--json]",
        .example = "  chard jobs\n  chard jobs --state unlucky --since 2h\n  chard jobs --user u1 --text pizza --json",
        .run = list_run,
};
