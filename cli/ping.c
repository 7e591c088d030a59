/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/command.h"

#include "cli/common/wait.h"
#include "core/json.h"
#include "store/read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A row or file older than this is nobody's: a worker writes both every few seconds. */
enum { STALE_MS = 10000, ANSWER_MS = 10000 };

struct ping_answer {
        struct wait wait;
        json_t *row; /* owned */
        struct problem why;
        bool failed;
};

static void on_row(json_t *row, const struct problem *why, void *arg)
{
        struct ping_answer *a = (struct ping_answer *)arg;
        a->row = json_incref(row);
        a->failed = why != NULL;
        if (why)
                a->why = *why;
        wait_done(&a->wait);
}

static void print_paused(json_t *paused)
{
        const char *what;
        json_t *why;
        json_object_foreach(paused, what, why)
                printf("paused: %s: %s\n", what, json_text(why, "text", ""));
}

static int ping_command_report(const char *name, const json_t *row, bool json)
{
        const json_t *state = json_object_get(row, "state");
        const json_int_t age_ms = json_number(row, "age_ms", 0);
        const bool stale = age_ms > STALE_MS, consuming = !stale && json_is_true(json_object_get(state, "consuming"));
        if (json) {
                json_dumpf(row, stdout, JSON_COMPACT);
                putchar('\n');
        } else if (stale) {
                printf("%s: no sign of life for %lld s\n", name, (long long)age_ms / 1000);
        } else if (consuming) {
                printf("%s: consuming, %lld tasks in hand\n", name, (long long)json_number(state, "in_hand", 0));
                print_paused(json_object_get(state, "paused"));
        } else {
                printf("%s: not consuming: %s\n", name, json_text(state, "why", "?"));
        }
        return consuming ? EXIT_DONE : EXIT_FAILED;
}

static int ping_worker(const struct command *self, const struct settings *s, const char *name, bool json)
{
        struct ping_answer a = { 0 };
        struct store *store = NULL;
        wait_open(&a.wait);
        const struct store_config config = { .loop = &a.wait.loop,
                                             .url = s->store_url,
                                             .owner = "chard ping",
                                             .connect_timeout_ms = (unsigned)s->connect_timeout_ms };
        int code = store_open(&store, &config, &a.why);
        if (code) {
                code = command_fail(self, code, &a.why);
                wait_close(&a.wait);
                return code;
        }
        store->read->worker(store, name, on_row, &a);
        if (!wait_for(&a.wait, ANSWER_MS)) {
                fprintf(stderr, "chard ping: the store does not answer\n");
                code = EXIT_UNREACHABLE;
        } else if (a.failed) {
                code = command_fail(self, 1, &a.why);
        } else if (!a.row) {
                printf("%s: no worker of that name has ever run here\n", name);
                code = EXIT_FAILED;
        } else {
                code = ping_command_report(name, a.row, json);
        }
        store->backend->close(store);
        wait_close(&a.wait);
        json_decref(a.row);
        return code;
}

/* With `alive` it does not matter what the file says, only that it is still written: the loop turns. */
static int ping_file(const struct command *self, const char *path, bool alive)
{
        char line[512] = "";
        struct stat info;
        FILE *file = fopen(path, "re");
        if (!file || fstat(fileno(file), &info) != 0 || !fgets(line, sizeof(line), file)) {
                fprintf(stderr, "chard %s: %s: %s\n", self->name, path, file ? "empty" : strerror(errno));
                if (file)
                        fclose(file);
                return EXIT_FAILED;
        }
        fclose(file);
        const time_t age = time(NULL) - info.st_mtime;
        if (age > STALE_MS / 1000) {
                printf("no sign of life for %lld s\n", (long long)age);
                return EXIT_FAILED;
        }
        fputs(line, stdout);
        return alive || strncmp(line, "consuming", 9) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int ping_command_run(const struct command *self, int argc, char **argv)
{
        bool json = false, alive = false;
        const char *file = NULL;
        const struct own_flag own[] = {
                { "--json", 0, &json, NULL, NULL, "print the worker's row as one JSON object" },
                { "--file", 0, NULL, &file, "FILE",
                  "ask a health file instead of the store (for a probe in the same pod)" },
                { "--alive", 0, &alive, NULL, NULL, "with --file: only whether the process turns, consuming or not" },
                { 0 },
        };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (file && operands == 0)
                code = ping_file(self, file, alive);
        else if (operands == 1 && !file && !alive)
                code = ping_worker(self, &s, argv[0], json);
        else
                code = command_misuse(self, "name one worker, or give --file, which --alive goes with");
        settings_free(&s);
        return code;
}

const struct command command_ping = {
        .name = "ping",
        .summary = "Ask whether a worker is consuming; exit code 0 only when it is",
        .usage = "NAME | --file FILE [--alive]",
        .example = "  chard ping chard@worker-7\n  chard ping --file /run/chard/health",
        .details =
                "The answer comes from consuming itself: consumers registered, frames coming, loop turning, store answering.\n"
                "If one is missing it says which.",
        .run = ping_command_run,
};
