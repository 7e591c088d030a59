/* SPDX-License-Identifier: Apache-2.0 */
#include "duties/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What doubles that often must still be a time that a store can add to now. */
#define MOST_MS ((int64_t)POLICY_MOST_DAYS * 86400000)

/* ---- reading ---- */

static bool read_number(const char *text, const char *unit, long most, long *out)
{
        char *end;
        errno = 0;
        *out = strtol(text, &end, 10);
        return end != text && errno == 0 && *out >= 0 && *out <= most && (!*end || strcmp(end, unit) == 0);
}

static bool read_duration(const char *text, int64_t *out)
{
        static const struct {
                const char *unit;
                int64_t ms;
        } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
        char *end;
        errno = 0;
        const long number = strtol(text, &end, 10);
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (end != text && strcmp(end, units[i].unit) == 0 && number > 0 && number <= MOST_MS / units[i].ms &&
                    errno == 0) {
                        *out = number * units[i].ms;
                        return true;
                }
        }
        return false;
}

static bool read_option(struct policy_rule *rule, const char *word)
{
        const char *value = strchr(word, '=') + 1;
        const size_t size = (size_t)(value - word);
        long number = 0;
        bool ok = false;
        if (strncmp(word, "after=", size) == 0)
                return read_duration(value, &rule->after_ms);
        if (strncmp(word, "rounds=", size) == 0 && (ok = read_number(value, "", POLICY_MOST_ROUNDS, &number)))
                rule->rounds = (unsigned)number;
        else if (strncmp(word, "errors=", size) == 0 && (ok = read_number(value, "%", 100, &number)))
                rule->errors = (unsigned)number;
        else if (strncmp(word, "rate=", size) == 0 && (ok = read_number(value, "/s", 100000, &number) && number > 0))
                rule->rate = (unsigned)number;
        return ok;
}

static int read_codes(struct policy_rule *rule, char *word, struct problem *why)
{
        size_t count = 0;
        for (char *save, *code = strtok_r(word, ",", &save); code; code = strtok_r(NULL, ",", &save)) {
                if (count == POLICY_MOST_CODES)
                        return problem_set(why, "settings", "bad_setting",
                                           "CHARD_DLQ_POLICIES: more than %d codes in a rule", POLICY_MOST_CODES);
                rule->codes[count++] = code;
        }
        if (count == 0)
                return problem_set(why, "settings", "bad_setting",
                                   "CHARD_DLQ_POLICIES: the rule for \"%.60s\" names no code; * is any", rule->task);
        return 0;
}

static int policy_read_rule(struct policy_rule *rule, char *text, struct problem *why)
{
        *rule = (struct policy_rule){ .after_ms = 300000, .rounds = 3, .errors = 20, .rate = 20 };
        char *save, *word = strtok_r(text, " \t\n", &save);
        rule->task = word;
        word = strtok_r(NULL, " \t\n", &save);
        if (!word || strchr(word, '='))
                return problem_set(
                        why, "settings", "bad_setting",
                        "CHARD_DLQ_POLICIES: a rule is TASK CODE,… [after=5m] [rounds=3] [errors=20%%] [rate=20/s], not \"%.60s\"",
                        rule->task);
        if (read_codes(rule, word, why) != 0)
                return 1;
        while ((word = strtok_r(NULL, " \t\n", &save)))
                if (!strchr(word, '=') || !read_option(rule, word))
                        return problem_set(
                                why, "settings", "bad_setting",
                                "CHARD_DLQ_POLICIES: \"%.60s\" is none of after=5m (up to %dd), rounds=3, errors=20%%, rate=20/s",
                                word, POLICY_MOST_DAYS);
        return 0;
}

int policy_read(struct policy *out, const char *text, struct problem *why)
{
        *out = (struct policy){ .memory = strdup(text ? text : "") };
        if (!out->memory)
                return -ENOMEM;
        for (char *save, *rule = strtok_r(out->memory, ";", &save); rule; rule = strtok_r(NULL, ";", &save)) {
                if (strspn(rule, " \t\n") == strlen(rule))
                        continue;
                if (out->count == POLICY_MOST_RULES)
                        return problem_set(why, "settings", "bad_setting", "CHARD_DLQ_POLICIES: more than %d rules",
                                           POLICY_MOST_RULES);
                const int code = policy_read_rule(&out->rules[out->count++], rule, why);
                if (code)
                        return code;
        }
        return 0;
}

void policy_free(struct policy *p)
{
        free(p->memory);
        *p = (struct policy){ 0 };
}

/* ---- asking ---- */

static bool policy_fits(const char *pattern, const char *text)
{
        const size_t size = strlen(pattern);
        if (size > 0 && pattern[size - 1] == '*')
                return strncmp(pattern, text, size - 1) == 0;
        return strcmp(pattern, text) == 0;
}

bool policy_names(const struct policy_rule *rule, const char *task)
{
        return policy_fits(rule->task, task);
}

static bool has_code(const struct policy_rule *rule, const char *code, const char *verdict)
{
        for (size_t i = 0; rule->codes[i]; i++)
                if (policy_fits(rule->codes[i], code) ||
                    (strcmp(rule->codes[i], "transient") == 0 && strcmp(verdict, "transient") == 0))
                        return true;
        return false;
}

const struct policy_rule *policy_find(const struct policy *p, const char *task, const char *code, const char *verdict)
{
        for (size_t i = 0; i < p->count; i++)
                if (policy_fits(p->rules[i].task, task) && has_code(&p->rules[i], code, verdict))
                        return &p->rules[i];
        return NULL;
}

int64_t policy_wait_ms(const struct policy_rule *rule, unsigned round)
{
        const int64_t wait_ms = rule->after_ms << (round < POLICY_MOST_ROUNDS ? round : POLICY_MOST_ROUNDS);
        return wait_ms < MOST_MS ? wait_ms : MOST_MS;
}
