/* SPDX-License-Identifier: Apache-2.0 */
/* What a C program may give to libchard, and what a worker may answer. Five lines: a program for a stack of signatures, args, kwargs, the JSON of an
 * option (or a Redis URL), a result. Whatever is taken as a canvas becomes messages that a worker takes as tasks.
 *
 *     t a task   T one with a queue, a header and an id   o its option   i immutable   2…9 c/g a chain/group of so many   h a chord   l L link, link_error */
#include "lib/lib.h"
#include "redis/address.h"

#include "core/json.h"

#include <stdlib.h>
#include <string.h>

enum { LINES = 5, HIGHEST = 64, MOST_STEPS = 200 };

struct machine {
        const char *args, *kwargs, *option;
        struct chard_signature *stack[HIGHEST];
        size_t height;
        size_t many;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_code(int code, const struct chard_error *why)
{
        must(code == CHARD_OK || (why->code == code && why->name[0] && why->text[0]));
}

/* ---- building ---- */

static void push(struct machine *m, struct chard_signature *s, const struct chard_error *why)
{
        must(s || (why->code != CHARD_OK && why->text[0]));
        if (s && m->height < HIGHEST)
                m->stack[m->height++] = s;
        else
                chard_signature_free(s);
}

static void push_task(struct machine *m, bool dressed)
{
        struct chard_error why = { 0 };
        struct chard_signature *s = chard_signature_new("t", m->args, m->kwargs, &why);
        if (s && dressed) {
                check_code(chard_signature_queue(s, m->option, &why), &why);
                check_code(chard_signature_header(s, "h", m->option, &why), &why);
                check_code(chard_signature_id(s, m->option, &why), &why);
        }
        push(m, s, &why);
}

static void push_many(struct machine *m, bool chain)
{
        struct chard_error why = { 0 };
        const size_t count = m->many < m->height ? m->many : m->height;
        struct chard_signature **parts = m->stack + m->height - count;
        m->height -= count;
        push(m, chain ? chard_chain(parts, count, &why) : chard_group(parts, count, &why), &why);
}

static void push_two(struct machine *m, char what)
{
        struct chard_error why = { 0 };
        if (m->height < 2)
                return;
        struct chard_signature *first = m->stack[m->height - 2], *second = m->stack[m->height - 1];
        if (what == 'h') {
                m->height -= 2;
                push(m, chard_chord(first, second, &why), &why);
                return;
        }
        m->height--;
        check_code(what == 'l' ? chard_signature_link(first, second, &why)
                               : chard_signature_link_error(first, second, &why),
                   &why);
}

static void set_options(struct machine *m)
{
        static const char *const names[] = { "priority", "countdown", "eta",           "expires",         "time_limit",
                                             "shadow",   "retries",   "ignore_result", "soft_time_limit", "none" };
        for (size_t i = 0; m->height > 0 && i < sizeof(names) / sizeof(*names); i++) {
                struct chard_error why = { 0 };
                check_code(chard_signature_option(m->stack[m->height - 1], names[i], m->option, &why), &why);
        }
}

static void step(struct machine *m, char what)
{
        switch (what) {
        case 't':
        case 'T': push_task(m, what == 'T'); break;
        case 'o': set_options(m); break;
        case 'i':
                if (m->height > 0)
                        chard_signature_immutable(m->stack[m->height - 1], NULL);
                break;
        case 'c':
        case 'g': push_many(m, what == 'c'); break;
        case 'h':
        case 'l':
        case 'L': push_two(m, what); break;
        default:
                if (what >= '1' && what <= '9')
                        m->many = (size_t)(what - '0');
        }
}

/* ---- sending ---- */

static void check_message(const json_t *task)
{
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        struct message *m = NULL;
        const int rc = lib_message(task, "fuzz", 1800000000000, &m, &why);
        must(rc == 0 || (rc == 1 && why.text[0]));
        if (rc == 0) {
                must(task_message_decode(&a, m->properties, m->body, SIZE_MAX / 4, &t, &why) == 0);
                must(strcmp(t.name, "t") == 0 && t.id && *t.id);
                task_message_clear(&t);
        }
        message_free(m);
        arena_free(&a);
}

static void check_plan(const struct chard_signature *s)
{
        struct plan plan;
        struct problem why = { 0 };
        size_t i;
        json_t *task, *chord;
        const char *id;
        const int rc = plan_make(s->json, "replies", &plan, &why);
        must(rc == 0 || (rc == 1 && strcmp(why.code, "unsupported_canvas") == 0));
        must(rc != 0 || (json_array_size(plan.tasks) > 0 && plan.id[0] && plan.first[0]));
        json_array_foreach(plan.tasks, i, task) {
                if (rc == 0 && i < 20)
                        check_message(task);
        }
        json_object_foreach(plan.chords, id, chord)
                must(*id && json_integer_value(json_object_get(chord, "size")) > 0);
        plan_clear(&plan);
}

/* ---- a result ---- */

static void check_result(const char *text)
{
        JSON_OWNED json_t *meta = NULL;
        struct chard_error why = { 0 };
        json_t *value = NULL;
        if (json_parse(bytes_of_string(text), "result", &meta, NULL) != 0 || !result_is_final(meta))
                return;
        const int code = result_verdict(meta, &value, &why);
        must(value && (code == CHARD_OK || code == CHARD_TASK_FAILED));
        json_decref(value);
}

static void check_url(const char *url)
{
        struct redis_address a;
        struct problem why;
        const int rc = redis_address_read(url, &a, &why);
        must(rc == 0 || rc == 1);
        if (rc == 0)
                redis_address_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = strndup(size ? (const char *)data : "", size), *rest = text;
        const char *lines[LINES] = { "", "", "", "", "" };
        must(text != NULL);
        for (size_t i = 0; i < LINES && rest; i++)
                lines[i] = strsep(&rest, "\n");
        struct machine m = { .args = *lines[1] ? lines[1] : NULL,
                             .kwargs = *lines[2] ? lines[2] : NULL,
                             .option = lines[3],
                             .many = 2 };
        for (size_t i = 0; i < MOST_STEPS && lines[0][i]; i++)
                step(&m, lines[0][i]);
        if (m.height > 0)
                check_plan(m.stack[m.height - 1]);
        while (m.height > 0)
                chard_signature_free(m.stack[--m.height]);
        check_result(lines[4]);
        check_url(lines[3]);
        free(text);
        return 0;
}
