/* SPDX-License-Identifier: Apache-2.0 */
#include "store/job_cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int job_cursor_read(const char *text, struct job_cursor *out, struct problem *why)
{
        char *dot = NULL;
        *out = (struct job_cursor){ .created_us = INT64_MAX / 2, .root_id = "" };
        if (!text || !*text)
                return 0;
        errno = 0;
        out->created_us = strtoll(text, &dot, 10);
        if (*text < '0' || *text > '9' || *dot != '.' || errno)
                return problem_set(why, "store", "bad_cursor", "\"%.60s\" is no place in a list of jobs", text);
        out->root_id = dot + 1;
        return 0;
}

static char *cursor_put(char **at, const char *text)
{
        char *to = *at;
        *at = stpcpy(to, text ? text : "") + 1;
        return to;
}

static size_t cursor_size(const char *text)
{
        return text ? strlen(text) + 1 : 1;
}

size_t job_list_size(const struct job_filter *f)
{
        return sizeof(struct job_list_call) + cursor_size(f->pipeline) + cursor_size(f->user_id) +
               cursor_size(f->state) + cursor_size(f->task) + cursor_size(f->text) + cursor_size(f->cursor);
}

int job_list_copy(const struct job_filter *f, struct job_list_call *c, struct problem *why)
{
        char *at = c->texts;
        *c = (struct job_list_call){ .filter = *f };
        c->open = f->state && strcmp(f->state, "open") == 0;
        c->unlucky = f->state && strcmp(f->state, "unlucky") == 0;
        c->filter.pipeline = cursor_put(&at, f->pipeline);
        c->filter.user_id = cursor_put(&at, f->user_id);
        c->filter.state = cursor_put(&at, c->open || c->unlucky ? "" : f->state);
        c->filter.task = cursor_put(&at, f->task);
        c->filter.text = cursor_put(&at, f->text);
        c->filter.cursor = cursor_put(&at, f->cursor);
        return job_cursor_read(c->filter.cursor, &c->cursor, why);
}

bool job_prefix_upto(const char *prefix, char *out)
{
        size_t size = strlen(prefix);
        memcpy(out, prefix, size + 1);
        while (size > 0 && (unsigned char)out[size - 1] >= 0x7f)
                out[--size] = '\0';
        if (size == 0)
                return false;
        out[size - 1]++;
        return true;
}
