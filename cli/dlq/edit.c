/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq edit: other arguments for an entry, written in $EDITOR. */
#include "cli/dlq/dlq.h"

#include "cli/common/store_client.h"
#include "cli/dlq/filter.h"
#include "core/json.h"
#include "core/text/utf8.h"
#include "dlq/dlq.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_BYTES = 64 << 20 };

struct editing {
        struct store_client client;
        const char *reason, *file;
        bool undo;
        int64_t entry, version; /* `version`: as it was opened */
        struct buffer text;     /* what the editor is given, then what it gave */
        struct buffer body;
        char path[4096]; /* what the editor works on */
        int code;        /* of reading or checking */
        enum { READING, CHECKING, UNDOING, CONFLICT } phase;
        bool found, kept, edited;
};

/* The letter is borrowed for the length of the callback: what is made of it is made here. */
static void dlq_edit_on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct editing *e = (struct editing *)arg;
        struct problem *out = &e->client.why;
        e->found = count > 0;
        e->kept = count > 0 && strcmp(letters[0].state, "kept") == 0;
        e->edited = count > 0 && letters[0].edited.data;
        if (e->kept && e->phase != CHECKING)
                e->version = letters[0].version;
        if (e->kept && e->phase == READING)
                e->code = letter_arguments(&letters[0], &e->text, out);
        else if (e->kept && e->phase == CHECKING)
                e->code = letter_edited_body(e->client.catalog, &letters[0], buffer_view(&e->text), &e->body, out);
        store_client_on_json(NULL, why, &e->client);
}

static int dlq_edit_look(struct editing *e)
{
        const struct dead_query query = { .filter = { .entries = &e->entry, .entry_count = 1 },
                                          .limit = 1,
                                          .content = true };
        const char *name = e->client.self->name;
        e->client.store->dead->read(e->client.store, &query, dlq_edit_on_page, e);
        const int code = store_client_wait(&e->client);
        if (code)
                return code;
        if (!e->kept) {
                fprintf(stderr,
                        e->found ? "chard %s: entry %lld is not kept any more\n" : "chard %s: there is no entry %lld\n",
                        name, (long long)e->entry);
                return EXIT_FAILED;
        }
        return 0;
}

/* ---- files and the editor ---- */

static bool dlq_edit_read_all(FILE *file, struct buffer *out)
{
        unsigned char *space;
        size_t got = 1;
        buffer_reset(out);
        while (got > 0 && out->size < MOST_BYTES && (space = buffer_reserve(out, 65536))) {
                got = fread(space, 1, 65536, file);
                out->size += got;
        }
        return !out->failed && !ferror(file);
}

static bool dlq_edit_read_file(struct editing *e, const char *path)
{
        const bool standard = strcmp(path, "-") == 0;
        FILE *file = standard ? stdin : fopen(path, "re");
        const bool ok = file && dlq_edit_read_all(file, &e->text);
        if (!ok)
                fprintf(stderr, "chard %s: can't read \"%s\": %s\n", e->client.self->name, path, strerror(errno));
        if (file && !standard)
                fclose(file);
        return ok;
}

static bool dlq_edit_write_file(int fd, struct bytes text)
{
        FILE *file = fdopen(fd, "w");
        if (!file)
                return false;
        const bool ok = fwrite(text.data, 1, text.size, file) == text.size;
        return fclose(file) == 0 && ok;
}

/* By the shell, because $EDITOR may be several words ("code --wait"). Ctrl-C is the editor's own meanwhile, as in system(3). */
static bool run_editor(const char *path)
{
        const char *editor = getenv("VISUAL");
        if (!editor || !*editor)
                editor = getenv("EDITOR");
        if (!editor || !*editor)
                editor = "vi";
        const struct sigaction ignore = { .sa_handler = SIG_IGN };
        struct sigaction interrupt, quit;
        sigaction(SIGINT, &ignore, &interrupt);
        sigaction(SIGQUIT, &ignore, &quit);
        const pid_t child = fork();
        if (child == 0) {
                sigaction(SIGINT, &interrupt, NULL);
                sigaction(SIGQUIT, &quit, NULL);
                char command[4096];
                snprintf(command, sizeof(command), "%s \"$1\"", editor);
                execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
                _exit(127);
        }
        int status = 1;
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGQUIT, &quit, NULL);
        return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool dlq_edit_make_file(struct editing *e)
{
        const char *folder = getenv("TMPDIR");
        snprintf(e->path, sizeof(e->path), "%s/chard-entry-%lld-XXXXXX.json", folder && *folder ? folder : "/tmp",
                 (long long)e->entry);
        const int fd = mkstemps(e->path, 5);
        const bool ok = fd >= 0 && dlq_edit_write_file(fd, buffer_view(&e->text));
        if (!ok)
                fprintf(stderr, "chard %s: can't write %s: %s\n", e->client.self->name, e->path, strerror(errno));
        if (!ok && fd >= 0)
                unlink(e->path);
        return ok;
}

/* ---- changing it ---- */

/* It went, or somebody else was first: whose change that would undo. */
static int say_refused(struct editing *e)
{
        e->phase = CONFLICT;
        const int code = dlq_edit_look(e);
        if (code)
                return code;
        fprintf(stderr,
                "chard %s: entry %lld was edited by somebody else meanwhile, nothing was changed; what it is now: chard dlq show %lld\n",
                e->client.self->name, (long long)e->entry, (long long)e->entry);
        return EXIT_FAILED;
}

static int store_body(struct editing *e)
{
        const struct dead_edit edit = {
                .entry = e->entry,
                .version = e->version,
                .act = { .who = store_client_who(&e->client),
                         .reason = e->reason ? e->reason : "",
                         .scope = e->undo ? "--undo" : "" },
                .body = e->undo ? bytes_of(NULL, 0) : buffer_view(&e->body),
        };
        e->client.store->dead->edit(e->client.store, &edit, store_client_on_result, &e->client);
        const int code = store_client_wait(&e->client);
        if (code)
                return code;
        if (e->client.result == STORE_ALREADY)
                return say_refused(e);
        printf(e->undo ? "entry %lld is as it came\n"
                       : "entry %lld is changed; its original is kept. Send it: chard dlq requeue %lld\n",
               (long long)e->entry, (long long)e->entry);
        return EXIT_DONE;
}

/* The same arguments, whatever they look like. */
static bool is_unchanged(const struct editing *e, struct bytes before)
{
        JSON_OWNED json_t *one = NULL;
        JSON_OWNED json_t *two = NULL;
        return json_parse(before, "edit", &one, NULL) == 0 &&
               json_parse(buffer_view(&e->text), "edit", &two, NULL) == 0 && json_equal(one, two);
}

/* Beside the exit codes: its task would not take it, which was said; it is as it was; there is nothing to take. */
enum { EDIT_WRONG = -1, EDIT_SAME = -2, EDIT_NONE = -3 };

static int dlq_edit_take(struct editing *e, struct bytes before)
{
        if (is_unchanged(e, before))
                return EDIT_SAME;
        e->phase = CHECKING;
        buffer_reset(&e->body);
        const int code = dlq_edit_look(e);
        if (code)
                return code;
        if (e->code) {
                command_fail(e->client.self, e->code, &e->client.why);
                return EDIT_WRONG;
        }
        return store_body(e);
}

static int say_unchanged(const struct editing *e)
{
        fprintf(stderr, "entry %lld is as it was: nothing was changed\n", (long long)e->entry);
        return EXIT_DONE;
}

static bool wants_again(const struct editing *e)
{
        char line[64];
        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return false;
        fprintf(stderr, "what was written is in %s; edit it again? [Y/n] ", e->path);
        return fgets(line, sizeof(line), stdin) && *line != 'n' && *line != 'N';
}

/* What somebody typed is not thrown away: it goes back into the editor, or stays in its file. */
static int edit_by_hand(struct editing *e, struct bytes before)
{
        int code = EDIT_WRONG;
        if (!dlq_edit_make_file(e))
                return EXIT_FAILED;
        do {
                const bool ended_well = run_editor(e->path);
                if (!ended_well)
                        fprintf(stderr, "chard %s: the editor failed, nothing was changed\n", e->client.self->name);
                if (!dlq_edit_read_file(e, e->path))
                        return EXIT_FAILED;
                if (!ended_well) {
                        code = is_unchanged(e, before) ? EDIT_NONE : EXIT_FAILED;
                        break;
                }
                code = dlq_edit_take(e, before);
        } while (code == EDIT_WRONG && wants_again(e));
        if (code == EXIT_DONE || code == EDIT_SAME || code == EDIT_NONE)
                unlink(e->path);
        else
                fprintf(stderr,
                        "chard %s: what was written is kept in %s; take it with: chard dlq edit %lld --file %s\n",
                        e->client.self->name, e->path, (long long)e->entry, e->path);
        return code;
}

static int dlq_edit_change(struct editing *e)
{
        int code = dlq_edit_look(e);
        if (code)
                return code;
        if (e->code)
                return command_fail(e->client.self, e->code, &e->client.why);
        struct buffer before = e->text;
        e->text = (struct buffer){ 0 };
        if (!e->file) {
                buffer_add(&e->text, before.data, before.size);
                code = edit_by_hand(e, buffer_view(&before));
        } else {
                code = dlq_edit_read_file(e, e->file) ? dlq_edit_take(e, buffer_view(&before)) : EXIT_FAILED;
        }
        buffer_free(&before);
        if (code == EDIT_SAME)
                return say_unchanged(e);
        return code == EDIT_WRONG ? EXIT_USAGE : code == EDIT_NONE ? EXIT_FAILED : code;
}

static int dlq_edit_undo(struct editing *e)
{
        e->phase = UNDOING;
        const int code = dlq_edit_look(e);
        if (code)
                return code;
        return e->edited ? store_body(e) : say_unchanged(e);
}

static int dlq_edit_run(const struct command *self, int argc, char **argv)
{
        struct editing e = { 0 };
        const struct own_flag own[] = {
                { "--file", 'f', NULL, &e.file, "FILE",
                  "take the arguments from this file (- = standard input) instead of an editor" },
                { "--undo", 0, &e.undo, NULL, NULL, "take the change back" },
                { "--reason", 'r', NULL, &e.reason, "TEXT", "why, for the audit" },
                { 0 },
        };
        const struct filter_flags none = { 0 };
        struct dead_filter filter;
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (operands != 1) {
                code = command_misuse(self, "name one entry by its number");
        } else if (e.reason && !utf8_is(e.reason)) {
                code = command_misuse(self, "--reason is not UTF-8");
        } else if (filter_read(self, &none, argv, 1, &e.entry, &filter, &code)) {
                code = store_client_open(&e.client, self, &s);
                if (code == 0)
                        code = e.undo ? dlq_edit_undo(&e) : dlq_edit_change(&e);
                store_client_close(&e.client);
        }
        buffer_free(&e.text);
        buffer_free(&e.body);
        settings_free(&s);
        return code;
}

const struct command command_dlq_edit = {
        .name = "dlq edit",
        .summary = "Change an entry's arguments in $EDITOR; the original is kept",
        .usage = "ENTRY [--file FILE] [--undo] [--reason TEXT]",
        .example = "  chard dlq edit 17",
        .run = dlq_edit_run,
};
