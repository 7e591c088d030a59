/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/letters/letters.h"

#include "core/clock.h"
#include "dlq/action.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool filter_is_state(const char *state)
{
        bool is = strcmp(state, "kept") == 0 || strcmp(state, "resolved") == 0;
        for (size_t i = 0; dlq_actions[i] && !is; i++)
                is = strcmp(state, dlq_actions[i]->does.state) == 0;
        return is;
}

static int filter_read_state(const char *state, const char **out, struct problem *why)
{
        *out = !state ? "kept" : strcmp(state, "any") == 0 ? NULL : state;
        if (!*out || filter_is_state(*out))
                return 0;
        return problem_set(why, "request", "bad_parameter", "state: no entry is ever \"%.40s\"", state);
}

static int filter_read_time(const char *name, const char *text, int64_t *out, struct problem *why)
{
        if (!text || clock_parse(text, out) == 0)
                return 0;
        return problem_set(why, "request", "bad_parameter",
                           "%s must be a time as ISO 8601 has it: 2026-11-21T08:42:22Z", name);
}

static int filter_read_number(const char *name, const char *text, int64_t *out, struct problem *why)
{
        char *end = NULL;
        errno = 0;
        *out = text ? strtoll(text, &end, 10) : 0;
        if (!text || (*out >= 0 && end != text && !*end && errno == 0))
                return 0;
        return problem_set(why, "request", "bad_parameter", "%s must be the number of an entry", name);
}

int letters_filter_read(const struct letters_filter *given, struct dead_filter *out, struct problem *why)
{
        const struct {
                const char *name, **to;
        } texts[] = {
                { "task", &out->name },   { "queue", &out->queue },  { "code", &out->error_code },
                { "group", &out->group }, { "user", &out->user_id }, { "job", &out->root_id },
                { "text", &out->text },
        };
        *out = (struct dead_filter){ 0 };
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                *texts[i].to = given->value(given->from, texts[i].name);
                if (*texts[i].to && !**texts[i].to)
                        return problem_set(why, "request", "bad_parameter",
                                           "%s is empty: leave it out, or say what it is to be", texts[i].name);
        }
        if (filter_read_state(given->value(given->from, "state"), &out->state, why) ||
            filter_read_time("since", given->value(given->from, "since"), &out->since_ms, why) ||
            filter_read_time("until", given->value(given->from, "until"), &out->until_ms, why))
                return 1;
        return filter_read_number("upto", given->value(given->from, "upto"), &out->upto, why);
}
