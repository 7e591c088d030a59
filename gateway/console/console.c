/* SPDX-License-Identifier: Apache-2.0 */
/* The files are kept by gzip, and sent so; one is unpacked, and kept, when somebody asks for it who does not take that. */
#include "gateway/console/console.h"

#include "core/text/packed.h"
#include "core/text/digest.h"
#include "gateway/own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONSOLE_VERSION = 12 }; /* digits of its digest by which a page names a file */

/* Nothing but the console's own files is run, and nothing but this origin is asked. A picture that somebody chose to submit is shown from memory. */
#define CONSOLE_POLICY                                                                      \
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "   \
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " \
        "require-trusted-types-for 'script'; trusted-types 'none'"

extern const struct packed_file embedded_console[];
extern const size_t embedded_console_count;

const struct route_param console_params[] = {
        { "v", ROUTE_TEXT, 0, 0, "the version that is meant: it may be kept for good" },
        { 0 },
};

struct console_file {
        const struct packed_file *file;
        char digest[DIGEST_TEXT_SIZE]; /* "": not made yet */
        struct buffer plain;           /* empty: nobody has asked for it */
};

struct console {
        size_t count;
        struct console_file files[];
};

int console_open(struct console **out)
{
        struct console *c = calloc(1, sizeof(*c) + embedded_console_count * sizeof(c->files[0]));
        if (!c)
                return -ENOMEM;
        c->count = embedded_console_count;
        for (size_t i = 0; i < c->count; i++)
                c->files[i].file = &embedded_console[i];
        *out = c;
        return 0;
}

void console_close(struct console *c)
{
        for (size_t i = 0; c && i < c->count; i++)
                buffer_free(&c->files[i].plain);
        free(c);
}

static struct console_file *console_find(struct console *c, const char *name)
{
        for (size_t i = 0; i < c->count; i++)
                if (strcmp(c->files[i].file->name, name) == 0)
                        return &c->files[i];
        return NULL;
}

/* ---- making it ready ---- */

static struct bytes console_packed(const struct console_file *f)
{
        return bytes_of(f->file->packed, f->file->packed_size);
}

/* Its digest is of what it holds, as the page that names it has it. */
static bool console_prepare(struct console_file *f, bool packed)
{
        if (*f->digest && (packed || f->plain.size))
                return true;
        buffer_free(&f->plain);
        const bool read = packed_read(f->file, &f->plain);
        const struct bytes content = buffer_view(&f->plain);
        const bool done = read && digest_text(&content, 1, f->digest);
        if (!done)
                *f->digest = '\0';
        if (!done || packed)
                buffer_free(&f->plain);
        return done;
}

/* ---- serving ---- */

static const char *console_type(const char *name)
{
        static const struct {
                const char *ending, *type;
        } rows[] = {
                { ".css", "text/css; charset=utf-8" },
                { ".html", "text/html; charset=utf-8" },
                { ".js", "text/javascript; charset=utf-8" },
                { ".svg", "image/svg+xml" },
        };
        const char *ending = strrchr(name, '.');
        for (size_t i = 0; ending && i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].ending, ending) == 0)
                        return rows[i].type;
        return "text/plain; charset=utf-8";
}

static void console_guard(struct exchange *x)
{
        exchange_add_header(x, "Content-Security-Policy", CONSOLE_POLICY);
        exchange_add_header(x, "Referrer-Policy", "no-referrer");
        exchange_add_header(x, "Cross-Origin-Opener-Policy", "same-origin");
        exchange_add_header(x, "Cross-Origin-Resource-Policy", "same-origin");
}

/* Does the client say that it takes gzip? One that says "gzip;q=0" gets it all the same: no browser does. */
static bool console_takes_gzip(const struct exchange *x)
{
        const char *takes = exchange_header(x, "Accept-Encoding");
        return takes && strstr(takes, "gzip");
}

static void console_answer(struct exchange *x, const struct console_file *f, bool packed)
{
        const char *version = target_value(exchange_target(x), "v"), *has = exchange_header(x, "If-None-Match");
        const bool kept =
                version && strlen(version) == CONSOLE_VERSION && strncmp(version, f->digest, CONSOLE_VERSION) == 0;
        const bool same = has && strstr(has, f->digest);
        const struct bytes content = packed ? console_packed(f) : buffer_view(&f->plain);
        char tag[DIGEST_TEXT_SIZE + 4];
        struct buffer body = { 0 };
        snprintf(tag, sizeof(tag), "W/\"%s\"", f->digest); /* weak: one for both encodings */
        console_guard(x);
        exchange_add_header(x, "ETag", tag);
        exchange_add_header(x, "Vary", "Accept-Encoding");
        exchange_add_header(x, "Cache-Control", kept ? "public, max-age=31536000, immutable" : "no-cache");
        if (!same && packed)
                exchange_add_header(x, "Content-Encoding", "gzip");
        if (!same)
                buffer_add(&body, content.data, content.size);
        exchange_answer(x, same ? 304 : 200, console_type(f->file->name), &body);
}

void console_serve(void *owner, struct exchange *x)
{
        const struct gateway *g = (const struct gateway *)owner;
        const char *name = route_part(exchange_route(x), exchange_target(x), "file");
        struct console_file *f = console_find(g->console, name ? name : "index.html");
        struct problem why;
        const bool packed = console_takes_gzip(x);
        if (f && console_prepare(f, packed)) {
                console_answer(x, f, packed);
        } else if (f) {
                answer_starved(x);
        } else {
                problem_set(&why, "request", "not_found", "the console has no such file; see: /console/");
                exchange_answer_problem(x, &why);
        }
}

void console_enter(void *owner, struct exchange *x)
{
        struct buffer nothing = { 0 };
        (void)owner;
        exchange_add_header(x, "Location", "/console/");
        exchange_answer(x, 307, "text/plain", &nothing);
}
