/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of losses and returns. */
#include "core/log.h"
#include "core/absence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char said[4096]; /* since the row began: the lines without their times */

static void hear(const char *line, size_t size, void *arg)
{
        (void)arg;
        const char *text = memmem(line, size, "broker ", 7);
        const size_t used = strlen(said), rest = text ? size - (size_t)(text - line) - 7 : 0;
        if (used + rest < sizeof(said))
                memcpy(said + used, text + 7, rest);
}

/* At these seconds: '-' it is lost, '+' it is back, '?' somebody looks; the part is 1, or 2 with a '2' behind. */
static const struct {
        const char *name;
        struct {
                unsigned s;
                const char *what;
        } steps[12];
        const char *said;
} rows[] = {
        { "once each, however often it is tried",
          { { 1, "-" }, { 1, "-" }, { 2, "-" }, { 3, "?" }, { 4, "+" }, { 4, "+" }, { 5, "?" } },
          "it away: why\nit is back, after 3.0 s\n" },
        { "two connections are one thing",
          { { 1, "-" }, { 1, "-2" }, { 2, "+" }, { 4, "+2" } },
          "it away: why\nit is back, after 3.0 s\n" },
        { "one that goes while the other is away",
          { { 1, "-" }, { 2, "-2" }, { 2, "+" }, { 3, "-" }, { 4, "+2" }, { 6, "+" } },
          "it away: why\nit is back, after 5.0 s\n" },
        { "again after a long time",
          { { 1, "-" }, { 2, "+" }, { 30, "-" }, { 31, "+" } },
          "it away: why\nit is back, after 1.0 s\nit away: why\nit is back, after 1.0 s\n" },
        { "again at once is folded",
          { { 1, "-" }, { 2, "+" }, { 3, "-" }, { 4, "+" }, { 5, "-" }, { 6, "+" } },
          "it away: why\nit is back, after 1.0 s\n" },
        { "a folded loss that lasts is told",
          { { 1, "-" }, { 2, "+" }, { 3, "-" }, { 8, "?" }, { 13, "?" }, { 14, "?" }, { 20, "+" } },
          "it away: why\nit is back, after 1.0 s\nit away: why\nit is back, after 17.0 s\n" },
        { "… by another try, too",
          { { 1, "-" }, { 2, "+" }, { 3, "-" }, { 13, "-" }, { 20, "+" } },
          "it away: why\nit is back, after 1.0 s\nit away: why\nit is back, after 17.0 s\n" },
        { "a return that nobody missed", { { 1, "+" }, { 2, "?" } }, "" },
};

static void a_loss_and_a_return_are_a_line_each(void **state)
{
        (void)state;
        log_setup(LOG_DEBUG, false);
        log_to(hear, NULL);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct absence o;
                absence_init(&o, "broker", "it", "");
                said[0] = '\0';
                memset(said, 0, sizeof(said));
                for (size_t k = 0; k < 12 && rows[i].steps[k].what; k++) {
                        const char *what = rows[i].steps[k].what;
                        const unsigned part = what[1] == '2' ? 2 : 1;
                        const uint64_t now_ms = 1000ULL * rows[i].steps[k].s;
                        if (*what == '-')
                                absence_lost(&o, part, "why", now_ms);
                        else if (*what == '+')
                                absence_back(&o, part, now_ms);
                        else
                                absence_look(&o, now_ms);
                }
                absence_destroy(&o);
                if (strcmp(said, rows[i].said) != 0)
                        fail_msg("%s: said\n%s", rows[i].name, said);
        }
        log_to(NULL, NULL);
}

/* A minute of one loss a second: the first one, and a line that counts the others. */
static void what_comes_and_goes_is_told_once_a_minute(void **state)
{
        (void)state;
        struct absence o;
        log_setup(LOG_DEBUG, false);
        log_to(hear, NULL);
        memset(said, 0, sizeof(said));
        absence_init(&o, "broker", "it", "; all waits");
        for (uint64_t s = 1; s <= 100; s++) {
                absence_lost(&o, 1, NULL, 1000 * s);
                absence_back(&o, 1, 1000 * s + 500);
        }
        absence_destroy(&o);
        log_to(NULL, NULL);
        assert_string_equal(said, "it away: no answer; all waits\nit is back, after 0.5 s\n"
                                  "it comes and goes: 61 times in 60 s, now: no answer\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_loss_and_a_return_are_a_line_each),
                cmocka_unit_test(what_comes_and_goes_is_told_once_a_minute),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
