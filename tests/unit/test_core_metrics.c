/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of metrics: their text in either form, which form is wanted, and what is beyond their bounds. */
#include "core/metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct buckets few = { 3, { 0.25, 1, 2.5 } };

enum { SEEN, DEPTH, TOOK, BUILD, PLAIN };

static const struct metric table[] = {
        [SEEN] = { "t_seen", METRIC_COUNTER, NULL, { "task", "queue" }, NULL, "what was seen" },
        [DEPTH] = { "t_depth", METRIC_GAUGE, NULL, { "queue" }, NULL, "how much waits" },
        [TOOK] = { "t_took_seconds", METRIC_HISTOGRAM, "seconds", { "task" }, &few, "how long it took" },
        [BUILD] = { "t_build", METRIC_INFO, NULL, { "version" }, NULL, "which one it is" },
        [PLAIN] = { "t_plain_seconds", METRIC_COUNTER, "seconds", { NULL }, NULL, "no labels" },
};

struct depth {
        struct collector collector;
        struct metrics *all;
        double value;
        bool known;
};

static void depth_collect(struct collector *c, struct metrics *m)
{
        const struct depth *d = (const struct depth *)c;
        if (d->known)
                series_set(METRICS_SERIES(m, DEPTH, "q"), d->value);
}

static char *written(struct metrics *m, enum metrics_form form)
{
        struct buffer out = { 0 };
        metrics_write(m, form, &out);
        buffer_add_byte(&out, '\0');
        assert_false(out.failed);
        return (char *)out.data;
}

static void assert_written(struct metrics *m, enum metrics_form form, const char *text)
{
        char *got = written(m, form);
        assert_string_equal(got, text);
        free(got);
}

static struct metrics *made(void)
{
        struct metrics *m;
        assert_int_equal(metrics_new(&m, table, sizeof(table) / sizeof(table[0])), 0);
        return m;
}

static void fill(struct metrics *m)
{
        static const double values[] = { 0.25, 0.5, 2, 100 };
        series_add(METRICS_SERIES(m, SEEN, "a", "q"), 1);
        series_add(METRICS_SERIES(m, SEEN, "a", "q"), 2);
        series_add(METRICS_SERIES(m, SEEN, "say \"\\\"\n", "물"), 0.1);
        for (size_t i = 0; i < 4; i++)
                series_observe(METRICS_SERIES(m, TOOK, "a"), values[i],
                               i == 1 ? "0af7651916cd43dd8448eb211c80319c-and-more" : NULL, 1700000000123);
        series_add(METRICS_SERIES(m, BUILD, "1.2"), 1);
        series_add(METRICS_SERIES(m, PLAIN, NULL), 12345678901);
}

#define BUCKETS                                              \
        "t_took_seconds_bucket{task=\"a\",le=\"0.25\"} 1\n"  \
        "t_took_seconds_bucket{task=\"a\",le=\"1.0\"} 2%s\n" \
        "t_took_seconds_bucket{task=\"a\",le=\"2.5\"} 3\n"   \
        "t_took_seconds_bucket{task=\"a\",le=\"+Inf\"} 4\n"  \
        "t_took_seconds_sum{task=\"a\"} 102.75\n"            \
        "t_took_seconds_count{task=\"a\"} 4\n"
#define SAMPLES                                    \
        "t_seen_total{task=\"a\",queue=\"q\"} 3\n" \
        "t_seen_total{task=\"say \\\"\\\\\\\"?\",queue=\"물\"} 0.1\n"

static void test_both_forms(void **state)
{
        char text[4096];
        struct metrics *m = made();
        struct depth d = { .collector = { .collect = depth_collect }, .known = true, .value = 7 };
        (void)state;
        metrics_collect_by(m, &d.collector);
        fill(m);
        snprintf(
                text, sizeof(text),
                "# TYPE t_seen_total counter\n# HELP t_seen_total what was seen\n" SAMPLES
                "# TYPE t_depth gauge\n# HELP t_depth how much waits\nt_depth{queue=\"q\"} 7\n"
                "# TYPE t_took_seconds histogram\n# HELP t_took_seconds how long it took\n" BUCKETS
                "# TYPE t_build_info gauge\n# HELP t_build_info which one it is\nt_build_info{version=\"1.2\"} 1\n"
                "# TYPE t_plain_seconds_total counter\n# HELP t_plain_seconds_total no labels\nt_plain_seconds_total 12345678901\n",
                "");
        assert_written(m, METRICS_PROMETHEUS, text);
        snprintf(
                text, sizeof(text),
                "# TYPE t_seen counter\n# HELP t_seen what was seen\n" SAMPLES
                "# TYPE t_depth gauge\n# HELP t_depth how much waits\nt_depth{queue=\"q\"} 7\n"
                "# TYPE t_took_seconds histogram\n# UNIT t_took_seconds seconds\n# HELP t_took_seconds how long it took\n" BUCKETS
                "# TYPE t_build info\n# HELP t_build which one it is\nt_build_info{version=\"1.2\"} 1\n"
                "# TYPE t_plain_seconds counter\n# UNIT t_plain_seconds seconds\n# HELP t_plain_seconds no labels\nt_plain_seconds_total 12345678901\n"
                "# EOF\n",
                " # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.5 1700000000.123");
        assert_written(m, METRICS_OPENMETRICS, text);
        metrics_free(m);
}

static void test_a_gauge_that_nobody_knows_is_not_shown(void **state)
{
        struct metrics *m = made();
        struct depth d = { .collector = { .collect = depth_collect }, .known = true };
        (void)state;
        metrics_collect_by(m, &d.collector);
        assert_written(m, METRICS_PROMETHEUS,
                       "# TYPE t_depth gauge\n# HELP t_depth how much waits\nt_depth{queue=\"q\"} 0\n");
        d.known = false;
        assert_written(m, METRICS_PROMETHEUS, "");
        assert_written(m, METRICS_OPENMETRICS, "# EOF\n");
        metrics_free(m);
}

static void test_label_sets_have_a_bound(void **state)
{
        struct metrics *m = made();
        char name[32];
        (void)state;
        for (int i = 0; i < METRICS_MOST_SERIES + 10; i++) {
                snprintf(name, sizeof(name), "task%d", i);
                series_add(METRICS_SERIES(m, SEEN, name, "q"), 1);
                series_set(METRICS_SERIES(m, DEPTH, name), 1);
        }
        char *text = written(m, METRICS_PROMETHEUS);
        assert_non_null(strstr(text, "t_seen_total{task=\"task499\",queue=\"q\"} 1\n"));
        assert_null(strstr(text, "task500"));
        assert_non_null(strstr(text, "t_seen_total{task=\"other\",queue=\"other\"} 10\n"));
        assert_null(strstr(text, "t_depth"));
        assert_int_equal(metrics_refused(m), 20);
        assert_int_equal(metrics_count(m), 2 * METRICS_MOST_SERIES);
        series_add(METRICS_SERIES(m, SEEN, "other", "other"), 1); /* somebody is really called so: still one series */
        assert_true(series_value(METRICS_SERIES(m, SEEN, "other", "other")) == 11);
        free(text);
        metrics_free(m);
}

static void test_labels_are_cut_and_cleaned(void **state)
{
        struct metrics *m = made();
        char longest[400], *text;
        (void)state;
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        series_add(METRICS_SERIES(m, SEEN, longest, "\xff\x01"), 1);
        series_add(METRICS_SERIES(m, SEEN, NULL, "ignored"), 1);
        text = written(m, METRICS_PROMETHEUS);
        const char *at = strstr(text, "{task=\"");
        assert_non_null(at);
        assert_int_equal(strspn(at + 7, "x"), METRICS_LABEL_SIZE - 1);
        assert_non_null(strstr(text, "\",queue=\"??\"} 1\n"));
        assert_non_null(strstr(text, "{task=\"\",queue=\"\"} 1\n"));
        free(text);
        metrics_free(m);
}

static void test_numbers(void **state)
{
        static const struct {
                double value;
                const char *text;
        } rows[] = {
                { 0, "0" },
                { -1.5, "-1.5" },
                { 0.1, "0.1" },
                { 1e21, "1e+21" },
                { 9007199254740991, "9007199254740991" },
                { 1.0 / 3, "0.333333333333333315" },
                { 0.0 / 0.0, "NaN" },
                { 1 / 0.0, "+Inf" },
                { -1 / 0.0, "-Inf" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char want[64];
                struct metrics *m = made();
                series_add(METRICS_SERIES(m, PLAIN, NULL), rows[i].value);
                char *text = written(m, METRICS_PROMETHEUS);
                snprintf(want, sizeof(want), "\nt_plain_seconds_total %s\n", rows[i].text);
                if (i != 5)
                        assert_non_null(strstr(text, want));
                assert_true(rows[i].value != rows[i].value || strtod(strrchr(text, ' '), NULL) == rows[i].value);
                free(text);
                metrics_free(m);
        }
}

static void test_a_histogram_that_is_kept_elsewhere(void **state)
{
        struct metrics *m = made();
        struct histogram own = { .buckets = &few };
        (void)state;
        series_copy(METRICS_SERIES(m, TOOK, "none"), &(struct histogram){ 0 }); /* not begun */
        assert_int_equal(histogram_add(&own, 0.1), 0);
        assert_int_equal(histogram_add(&own, 1), 1);
        assert_int_equal(histogram_add(&own, 1e9), 3);
        series_copy(METRICS_SERIES(m, TOOK, "a"), &own);
        assert_true(series_value(METRICS_SERIES(m, TOOK, "a")) == 3);
        series_copy(METRICS_SERIES(m, TOOK, "a"), &own);
        assert_true(series_value(METRICS_SERIES(m, TOOK, "a")) == 3);
        assert_true(series_value(METRICS_SERIES(m, TOOK, "none")) == 0);
        metrics_free(m);
}

static void test_which_form_is_wanted(void **state)
{
        static const struct {
                const char *accept;
                enum metrics_form form;
        } rows[] = {
                { NULL, METRICS_PROMETHEUS },
                { "", METRICS_PROMETHEUS },
                { "*/*", METRICS_PROMETHEUS },
                { "text/plain", METRICS_PROMETHEUS },
                { "text/html, application/json", METRICS_PROMETHEUS },
                { "application/openmetrics-text", METRICS_OPENMETRICS },
                { "Application/OpenMetrics-Text; Version=\"1.0.0\"", METRICS_OPENMETRICS },
                { "application/openmetrics-text;version=2.0.0", METRICS_PROMETHEUS },
                { "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                  METRICS_PROMETHEUS },
                { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                  METRICS_OPENMETRICS }, /* Prometheus 2.42 */
                { "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                  METRICS_OPENMETRICS }, /* 2.53 */
                { "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4",
                  METRICS_OPENMETRICS },
                { "text/plain;q=0.9, application/openmetrics-text;q=0.1", METRICS_PROMETHEUS },
                { "application/openmetrics-text;q=0", METRICS_PROMETHEUS },
                { "application/openmetrics-text;q=nonsense", METRICS_PROMETHEUS },
                { "application/openmetrics-text;q=99999999999999999999", METRICS_PROMETHEUS },
                { ",;,=;q,;;q=,application/openmetrics-text", METRICS_OPENMETRICS },
                { "application/openmetrics-text;version=", METRICS_OPENMETRICS },
                { "\"", METRICS_PROMETHEUS },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (metrics_form_for(rows[i].accept) != rows[i].form)
                        fail_msg("Accept: %s", rows[i].accept ? rows[i].accept : "(none)");
        assert_non_null(strstr(metrics_media(METRICS_OPENMETRICS), "version=1.0.0"));
        assert_non_null(strstr(metrics_media(METRICS_PROMETHEUS), "version=0.0.4"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_forms),
                cmocka_unit_test(test_a_gauge_that_nobody_knows_is_not_shown),
                cmocka_unit_test(test_label_sets_have_a_bound),
                cmocka_unit_test(test_labels_are_cut_and_cleaned),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_a_histogram_that_is_kept_elsewhere),
                cmocka_unit_test(test_which_form_is_wanted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
