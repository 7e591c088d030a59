/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq export, import: entries as JSON lines. */
#include "cli/dlq/dlq.h"

#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "cli/dlq/filter.h"
#include "core/json.h"
#include "core/text/print.h"
#include "dlq/dlq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PAGE = 500, PAGE_BYTES = 16 << 20, WINDOW = 500 };

/* ---- export ---- */

struct exporting {
        struct store_client client;
        struct filter_flags flags;
        struct dead_filter filter;
        size_t count, page;
};

static void dlq_export_on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct exporting *e = (struct exporting *)arg;
        for (size_t i = 0; i < count; i++) {
                JSON_OWNED json_t *line = letter_json(&letters[i], LETTER_WHOLE);
                view_json(line);
                e->filter.after = letters[i].entry;
        }
        e->page = count;
        e->count += count;
        store_client_on_json(NULL, why, &e->client);
}

static int export_state(struct exporting *e, const char *state)
{
        int code = 0;
        e->filter.state = state;
        e->filter.after = 0;
        do {
                const struct dead_query query = {
                        .filter = e->filter, .limit = PAGE, .content = true, .plain = true, .max_bytes = PAGE_BYTES
                };
                e->client.store->dead->read(e->client.store, &query, dlq_export_on_page, e);
                code = store_client_wait(&e->client);
        } while (code == 0 && e->page > 0);
        return code;
}

static int export_all(struct exporting *e)
{
        const char *states[FILTER_MOST_STATES];
        const size_t count = filter_states(states);
        if (e->filter.state)
                return export_state(e, e->filter.state);
        int code = 0;
        for (size_t i = 0; code == 0 && i < count; i++)
                code = export_state(e, states[i]);
        return code;
}

static int run_export(const struct command *self, int argc, char **argv)
{
        struct exporting e = { 0 };
        const struct own_flag own[] = { FILTER_FLAGS(e.flags), STATE_FLAG(e.flags), { 0 } };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        int64_t *entries = calloc((size_t)operands + 1, sizeof(*entries));
        if (entries && filter_read(self, &e.flags, argv, operands, entries, &e.filter, &code)) {
                code = store_client_open(&e.client, self, &s);
                if (code == 0)
                        code = export_all(&e);
                if (code == 0)
                        fprintf(stderr, "%zu entries\n", e.count);
                store_client_close(&e.client);
        }
        free(entries);
        settings_free(&s);
        return code;
}

const struct command command_dlq_export = {
        .name = "dlq export",
        .summary = "Print entries whole, as JSON lines",
        .usage = "[ENTRY…] [filter]",
        .example = "  chard dlq export --code bad_body >entries.jsonl",
        .run = run_export,
};

/* ---- import ---- */

struct importing {
        struct store_client client;
        size_t open, filed, there, refused, line;
};

struct imported {
        struct importing *importing;
        struct arena arena;
        struct dead_letter letter;
        size_t line;
};

static void dlq_export_complain(const struct importing *i, size_t line, const char *why)
{
        fprintf(stderr, "chard %s: line %zu: ", i->client.self->name, line);
        print_plain(stderr, why);
        putc('\n', stderr);
}

static void dlq_export_on_filed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct imported *one = (struct imported *)arg;
        struct importing *i = one->importing;
        (void)stored;
        i->open--;
        i->filed += result == STORE_DONE;
        i->there += result == STORE_ALREADY;
        if (result != STORE_DONE && result != STORE_ALREADY) {
                i->refused++;
                dlq_export_complain(i, one->line, why ? why->text : "the store was closed");
        }
        arena_free(&one->arena);
        free(one);
        wait_done(&i->client.wait);
}

static int import_line(struct importing *i, struct bytes text)
{
        JSON_OWNED json_t *value = NULL;
        struct problem why = { 0 };
        struct imported *one = calloc(1, sizeof(*one));
        if (!one)
                return -ENOMEM;
        *one = (struct imported){ .importing = i, .line = i->line };
        int code = json_parse(text, "import", &value, &why);
        if (!code)
                code = letter_from_json(i->client.catalog, &one->arena, value, &one->letter, &why);
        if (code) {
                dlq_export_complain(i, i->line, code > 0 ? why.text : strerror(-code));
                i->refused++;
                arena_free(&one->arena);
                free(one);
                return 0;
        }
        i->open++;
        i->client.store->dead->file(i->client.store, &one->letter, dlq_export_on_filed, one);
        return 0;
}

static int dlq_export_drain(struct importing *i, size_t most)
{
        while (i->open > most) {
                const int code = store_client_wait(&i->client);
                if (code)
                        return code;
        }
        return 0;
}

static int import_file(struct importing *i, FILE *file)
{
        char *line = NULL;
        size_t capacity = 0;
        ssize_t size;
        int code = 0, error = 0;
        while (code == 0 && (errno = 0, size = getline(&line, &capacity, file)) >= 0) {
                i->line++;
                if (strspn(line, " \t\r\n") == (size_t)size)
                        continue;
                code = import_line(i, bytes_of(line, (size_t)size)) < 0 ? EXIT_FAILED : 0;
                uv_run(&i->client.wait.loop, UV_RUN_NOWAIT);
                if (code == 0)
                        code = dlq_export_drain(i, WINDOW);
        }
        if (code == 0 && !feof(file))
                error = errno ? errno : EIO;
        free(line);
        if (code == 0)
                code = dlq_export_drain(i, 0);
        if (error)
                fprintf(stderr, "chard %s: can't read on after line %zu: %s; mend that and say it again\n",
                        i->client.self->name, i->line, strerror(error));
        return code ? code : error ? EXIT_FAILED : 0;
}

/* Opening a folder does no harm, reading from it does. */
static FILE *dlq_export_open_file(const char *path)
{
        struct stat info;
        FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
        if (file && fstat(fileno(file), &info) == 0 && S_ISDIR(info.st_mode)) {
                if (file != stdin)
                        fclose(file);
                errno = EISDIR;
                return NULL;
        }
        return file;
}

static int run_import(const struct command *self, int argc, char **argv)
{
        const struct own_flag own[] = { { 0 } };
        struct importing i = { 0 };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        const char *path = operands == 1 ? argv[0] : "-";
        FILE *file = dlq_export_open_file(path);
        if (operands > 1) {
                code = command_misuse(self, "name one file, or none for standard input");
        } else if (!file) {
                code = command_misuse(self, "can't read \"%.200s\": %s", path, strerror(errno));
        } else {
                code = store_client_open(&i.client, self, &s);
                if (code == 0)
                        code = import_file(&i, file);
                store_client_close(&i.client);
                if (code != EXIT_UNREACHABLE || i.line > 0)
                        printf("%zu filed, %zu were there already, %zu refused\n", i.filed, i.there, i.refused);
                if (code == 0 && i.refused > 0)
                        code = EXIT_FAILED;
        }
        if (file && file != stdin)
                fclose(file);
        settings_free(&s);
        return code;
}

const struct command command_dlq_import = {
        .name = "dlq import",
        .summary = "File entries from JSON lines; those that are there already are passed over",
        .usage = "[FILE]",
        .example = "  chard dlq import entries.jsonl",
        .run = run_import,
};
