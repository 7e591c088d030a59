/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/jobs/submit.h"

#include "core/bytes.h"
#include "core/json.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void submit_on_done(const char *id, const struct problem *why, void *arg)
{
        struct submitter *s = (struct submitter *)arg;
        s->open--;
        if (!why && s->print)
                puts(id);
        if (why) {
                s->failed++;
                fprintf(stderr, "chard %s: %s: %s\n", s->client.self->name, id, why->text);
        }
        wait_done(&s->client.wait);
}

int submit_drain(struct submitter *s, size_t most, uint64_t ms)
{
        while (s->open > most) {
                if (!wait_for(&s->client.wait, ms)) {
                        fprintf(stderr, "chard %s: the broker did not confirm within %llu ms\n", s->client.self->name,
                                (unsigned long long)ms);
                        return EXIT_UNREACHABLE;
                }
        }
        return 0;
}

/* ---- many: one input a line ---- */

/* Jobs under way at once; lines between two looks at the confirms; the longest silence of the broker; bytes of one read. */
enum { WINDOW = 2000, TURN = 64, CONFIRM_MS = 30000, CHUNK = 65536 };

static int submit_line(struct submitter *s, const char *pipeline, const char *line, size_t size, size_t number)
{
        JSON_OWNED json_t *input = NULL;
        struct problem why = { 0 };
        char id[JOBS_ID_SIZE];
        int code = json_parse(bytes_of(line, size), "input", &input, &why);
        if (!code)
                code = jobs_submit(s->client.jobs, &(struct job_request){ .pipeline = pipeline, .input = input }, id,
                                   submit_on_done, s, &why);
        if (code > 0) {
                fprintf(stderr, "chard %s: line %zu: %s\n", s->client.self->name, number, why.text);
                return EXIT_USAGE;
        }
        s->open += code == 0;
        return code < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Standard input, a line at a time. Who reads from it must wait at most for lines that nobody has written yet. */
struct lines {
        struct buffer text;
        size_t at; /* the next line's start in `text` */
        bool ended;
};

/* More of the input. When none is there yet, what was submitted so far is confirmed and printed first. */
static int read_more(struct submitter *s, struct lines *l)
{
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
        if (poll(&input, 1, 0) == 0) {
                const int code = submit_drain(s, 0, CONFIRM_MS);
                if (code || fflush(stdout) != 0)
                        return code ? code : EXIT_FAILED;
        }
        if (l->text.data) /* not with the empty buffer */
                memmove(l->text.data, l->text.data + l->at, l->text.size - l->at);
        l->text.size -= l->at;
        l->at = 0;
        unsigned char *to = buffer_reserve(&l->text, CHUNK);
        if (!to)
                return EXIT_FAILED;
        const ssize_t got = read(STDIN_FILENO, to, CHUNK);
        l->ended = got <= 0;
        l->text.size += got > 0 ? (size_t)got : 0;
        return 0;
}

/* The next line with its end, or an empty one at the end of the input. 0, or an exit code after saying why. */
static int next_line(struct submitter *s, struct lines *l, struct bytes *line)
{
        for (size_t seen = 0;;) {
                const unsigned char *from = l->text.data ? l->text.data + l->at : (const unsigned char *)"";
                const size_t left = l->text.size - l->at;
                const unsigned char *end = left > seen ? memchr(from + seen, '\n', left - seen) : NULL;
                if (end || l->ended) {
                        *line = bytes_of(from, end ? (size_t)(end - from) + 1 : left);
                        l->at += line->size;
                        return 0;
                }
                seen = left;
                const int code = read_more(s, l);
                if (code)
                        return code;
        }
}

static bool is_blank(struct bytes line)
{
        size_t i = 0;
        while (i < line.size && strchr(" \t\r\n", line.data[i]) && line.data[i])
                i++;
        return i == line.size;
}

/* Wrong lines are named and left out; the rest goes on. */
static int publish_lines(struct submitter *s, const char *pipeline)
{
        struct lines lines = { 0 };
        struct bytes line;
        int worst = EXIT_DONE, code;
        for (size_t number = 1; (code = next_line(s, &lines, &line)) == 0 && line.size; number++) {
                if (is_blank(line))
                        continue;
                const int refused = submit_line(s, pipeline, (const char *)line.data, line.size, number);
                worst = refused ? refused : worst;
                if (number % TURN == 0)
                        uv_run(&s->client.wait.loop, UV_RUN_NOWAIT);
                code = submit_drain(s, WINDOW, CONFIRM_MS);
                if (code)
                        break;
        }
        buffer_free(&lines.text);
        return code ? code : worst;
}

int submit_lines(const struct command *self, const struct settings *settings, const struct catalog *catalog,
                 const char *pipeline)
{
        struct submitter s = { .print = true };
        int code = jobs_client_open(&s.client, self, settings, catalog, JOBS_BROKER);
        if (code == 0) {
                code = publish_lines(&s, pipeline);
                if (code != EXIT_UNREACHABLE && submit_drain(&s, 0, CONFIRM_MS))
                        code = EXIT_UNREACHABLE;
        }
        jobs_client_close(&s.client);
        return code ? code : s.failed ? EXIT_FAILED : EXIT_DONE;
}
