/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dlq/filter.h"

#include "cli/common/times.h"
#include "core/clock.h"
#include "core/text/nearest.h"
#include "core/text/utf8.h"
#include "dlq/action.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool filter_read_times(const struct command *self, const struct filter_flags *flags, struct dead_filter *out)
{
        if (flags->since && !time_read(flags->since, &out->since_ms)) {
                command_misuse(self, "--since: \"%.60s\" is no time; write 2h (ago), or 2026-11-21T08:00:00Z",
                               flags->since);
                return false;
        }
        if (flags->until && !time_read(flags->until, &out->until_ms)) {
                command_misuse(self, "--until: \"%.60s\" is no time; write 2h (ago), or 2026-11-21T08:00:00Z",
                               flags->until);
                return false;
        }
        if (flags->until && out->until_ms <= 0)
                out->until_ms = 1; /* 0 stands for no end */
        return true;
}

size_t filter_states(const char *out[FILTER_MOST_STATES])
{
        size_t count = 0;
        out[count++] = "kept";
        for (size_t i = 0; dlq_actions[i] && count < FILTER_MOST_STATES - 1; i++)
                out[count++] = dlq_actions[i]->does.state;
        out[count++] = "resolved";
        return count;
}

static bool read_state(const struct command *self, const char *state, const char **out)
{
        const char *states[FILTER_MOST_STATES + 1];
        struct buffer all = { 0 };
        size_t count = filter_states(states);
        states[count++] = "any";
        for (size_t i = 0; i < count; i++) {
                if (strcmp(state, states[i]) == 0) {
                        *out = i < count - 1 ? states[i] : NULL;
                        buffer_free(&all);
                        return true;
                }
                buffer_addf(&all, "%s%s", i ? ", " : "", states[i]);
        }
        char offer[NEAREST_OFFER_SIZE];
        command_misuse(self, "--state: \"%.40s\" is none of %.*s%s", state, (int)all.size, (const char *)all.data,
                       nearest_offer(offer, state, states, count, ""));
        buffer_free(&all);
        return false;
}

static bool read_entry(const struct command *self, const char *word, int64_t *out)
{
        char *end;
        errno = 0;
        *out = strtoll(word, &end, 10);
        if (*out > 0 && !*end && errno == 0)
                return true;
        command_misuse(self, "\"%.60s\" is no entry's number; the first column of: chard dlq ls", word);
        return false;
}

static int filter_by_number(const void *a, const void *b)
{
        const int64_t one = *(const int64_t *)a, two = *(const int64_t *)b;
        return one < two ? -1 : one > two;
}

/* An empty value would leave everything in: more likely a script's variable was never set. What is not UTF-8 no audit row could hold. */
static bool check_values(const struct command *self, const struct filter_flags *f)
{
        const char *const named[][2] = { { "--task", f->task },   { "--queue", f->queue }, { "--code", f->code },
                                         { "--group", f->group }, { "--user", f->user },   { "--job", f->job },
                                         { "--text", f->text } };
        for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
                if (!named[i][1] || (*named[i][1] && utf8_is(named[i][1])))
                        continue;
                command_misuse(self,
                               *named[i][1] ? "%s: its value is not UTF-8"
                                            : "%s is empty: leave it out, or say what it is to be",
                               named[i][0]);
                return false;
        }
        return true;
}

bool filter_read(const struct command *self, const struct filter_flags *flags, char **operands, int count,
                 int64_t *entries, struct dead_filter *out, int *code)
{
        *code = EXIT_USAGE;
        *out = (struct dead_filter){
                .state = "kept",
                .name = flags->task,
                .queue = flags->queue,
                .error_code = flags->code,
                .group = flags->group,
                .user_id = flags->user,
                .root_id = flags->job,
                .text = flags->text,
        };
        if (!check_values(self, flags))
                return false;
        if ((flags->state && !read_state(self, flags->state, &out->state)) || !filter_read_times(self, flags, out))
                return false;
        for (int i = 0; i < count; i++)
                if (!read_entry(self, operands[i], &entries[i]))
                        return false;
        if (count > 0) {
                qsort(entries, (size_t)count, sizeof(entries[0]), filter_by_number);
                out->entries = entries;
                out->entry_count = (size_t)count;
                if (!flags->state)
                        out->state = NULL;
        }
        return true;
}

bool filter_is_any(const struct dead_filter *f)
{
        return !f->entry_count && !f->name && !f->queue && !f->error_code && !f->group && !f->user_id && !f->root_id &&
               !f->text && !f->since_ms && !f->until_ms;
}

char *filter_words(const struct filter_flags *f, char **operands, int count)
{
        const struct {
                const char *flag, *value;
        } flags[] = { { "--task", f->task },          { "--queue", f->queue }, { "--code", f->code },
                      { "--group", f->group },        { "--user", f->user },   { "--job", f->job },
                      { "--text", f->text },          { "--since", f->since }, { "--until", f->until },
                      { "--all", f->all ? "" : NULL } };
        struct buffer words = { 0 };
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
                if (flags[i].value)
                        buffer_addf(&words, "%s%s%s%s", words.size ? " " : "", flags[i].flag,
                                    *flags[i].value ? " " : "", flags[i].value);
        for (int i = 0; i < count && words.size < 2000; i++)
                buffer_addf(&words, "%s%s", words.size ? " " : "", operands[i]);
        buffer_add_byte(&words, '\0');
        if (!words.failed)
                return (char *)words.data;
        buffer_free(&words);
        return NULL;
}
