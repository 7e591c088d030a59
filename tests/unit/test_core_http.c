/* SPDX-License-Identifier: Apache-2.0 */
/* What an HTTP server reads of a request before anything is done: its target, its route, whom it is meant for; and what it says of problems. */
#include "core/http/host.h"
#include "core/http/listen.h"
#include "core/http/problems.h"
#include "core/http/request_key.h"
#include "core/http/route.h"
#include "core/http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "segment/segment?name=value&…" */
static void show_target(const struct target *t, char out[512])
{
        size_t used = 0;
        out[0] = '\0';
        for (size_t i = 0; i < t->segment_count; i++)
                used += (size_t)snprintf(out + used, 512 - used, "%s[%s]", i ? "/" : "", t->segments[i]);
        for (size_t i = 0; i < t->pair_count; i++)
                used += (size_t)snprintf(out + used, 512 - used, "%s%s=%s", i ? "&" : "?", t->pairs[i].name,
                                         t->pairs[i].value);
}

static void test_targets(void **state)
{
        static const struct {
                const char *text, *shown; /* NULL: refused */
        } rows[] = {
                { "/", "" },
                { "/?a=1", "?a=1" },
                { "/v1/jobs", "[v1]/[jobs]" },
                { "/v1/jobs?wait=30&user=a%20b+c", "[v1]/[jobs]?wait=30&user=a b c" },
                { "/a%2Fb/+", "[a/b]/[+]" },
                { "/%EB%AC%BC?%EB%AC%BC=%EB%AC%BC", "[물]?물=물" },
                { "/a?b&c=&=d", "[a]?b=&c=&=d" },
                { "/a?", "[a]" },
                { "/a?&&", "[a]" },
                { "/a?b=c=d", "[a]?b=c=d" },
                { "/a?b=/?", "[a]?b=/?" },
                { "/v1/jobs:batch", "[v1]/[jobs:batch]" },
                { "", NULL },
                { "*", NULL },
                { "a", NULL },
                { "http://h/a", NULL },
                { "//a", NULL },
                { "/a/", "[a]/[]" },
                { "/a/?b=1", "[a]/[]?b=1" },
                { "/a//", NULL },
                { "/a//b", NULL },
                { "/.", NULL },
                { "/a/..", NULL },
                { "/%2e%2E/a", NULL },
                { "/%", NULL },
                { "/%4", NULL },
                { "/%4g", NULL },
                { "/%00", NULL },
                { "/%0a", NULL },
                { "/%7f", NULL },
                { "/\x01", NULL },
                { "/%ff", NULL },
                { "/\xff", NULL },
                { "/물", NULL },
                { "/a b", NULL },
                { "/a?b= ", NULL },
                { "/%ed%a0%80", NULL },
                { "/a?b=%00", NULL },
                { "/a?b=1&b=2", NULL },
                { "/1/2/3/4/5/6/7/8", "[1]/[2]/[3]/[4]/[5]/[6]/[7]/[8]" },
                { "/1/2/3/4/5/6/7/8/9", NULL },
                { "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct target t;
                struct problem why = { 0 };
                char shown[512];
                const int code = target_read(rows[i].text, &t, &why);
                if (code < 0)
                        fail_msg("%s: %d", rows[i].text, code);
                assert_int_equal(code, rows[i].shown ? 0 : 1);
                if (code == 0) {
                        show_target(&t, shown);
                        assert_string_equal(shown, rows[i].shown);
                } else {
                        assert_string_equal(why.code, "bad_target");
                }
                target_free(&t);
        }
}

static void test_hosts(void **state)
{
        static const struct {
                const char *host, *names;
                bool ours;
        } rows[] = {
                { NULL, "*", false },
                { "", "*", false },
                { "localhost", "", true },
                { "LOCALHOST:8780", "", true },
                { "localhost.evil", "", false },
                { "127.0.0.1", "", true },
                { "10.1.2.3:80", "", true },
                { "[::1]:8780", "", true },
                { "[fe80::1]", "", true },
                { "::1", "", false },
                { "[localhost]", "", true },
                { "[::1", "", false },
                { "[::1]x", "", false },
                { "127.1", "", false },
                { "evil.example", "", false },
                { "evil.example", "*", true },
                { "api.example", "api.example", true },
                { "API.example:1", " other , api.example", true },
                { "api.example.evil", "api.example", false },
                { "xapi.example", "api.example", false },
                { "a.b.example", "*.example", true },
                { "example", "*.example", false },
                { ".example", "*.example", false },
                { "xexample", "*.example", false },
                { "localhost:port", "", false },
                { "localhost:123456", "", false },
                { "user@localhost", "", false },
                { "localhost:80:80", "", false },
                { ":80", "*", false },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (host_is_ours(rows[i].host, rows[i].names) != rows[i].ours)
                        fail_msg("%s of \"%s\"", rows[i].host, rows[i].names);
}

static void test_origins(void **state)
{
        (void)state;
        assert_true(host_is_origin("h", NULL));
        assert_true(host_is_origin("h:1", "http://h:1"));
        assert_true(host_is_origin("H", "https://h"));
        assert_false(host_is_origin("h:1", "http://h"));
        assert_false(host_is_origin("h", "http://evil"));
        assert_false(host_is_origin("h", "http://h.evil"));
        assert_false(host_is_origin("h", "null"));
        assert_false(host_is_origin("h", ""));
        assert_false(host_is_origin(NULL, "http://h"));
}

static void test_listed_origins(void **state)
{
        static const struct {
                const char *origin, *origins;
                bool listed;
        } rows[] = {
                { NULL, "https://a.example", false },
                { "https://a.example", NULL, false },
                { "https://a.example", "", false },
                { "https://a.example", "https://a.example", true },
                { "HTTPS://A.example", "https://a.example", true },
                { "https://a.example", "http://b.example:80 , https://a.example,", true },
                { "http://a.example", "https://a.example", false },
                { "https://a.example:8443", "https://a.example", false },
                { "https://a.example.evil", "https://a.example", false },
                { "https://a.exampl", "https://a.example", false },
                { "https://x.a.example", "https://a.example", false },
                { "null", "null", false },
                { "*", "*", false },
                { "", ",", false },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (host_is_listed(rows[i].origin, rows[i].origins) != rows[i].listed)
                        fail_msg("row %zu: %s", i, rows[i].origin ? rows[i].origin : "none");
}

static void test_loopback(void **state)
{
        (void)state;
        assert_true(host_is_loopback("127.0.0.1") && host_is_loopback("127.9.9.9") && host_is_loopback("::1") &&
                    host_is_loopback("localhost"));
        assert_false(host_is_loopback("") || host_is_loopback("0.0.0.0") || host_is_loopback("::") ||
                     host_is_loopback("128.0.0.1") || host_is_loopback("::ffff:127.0.0.1") ||
                     host_is_loopback("example"));
}

static void test_addresses(void **state)
{
        static const struct {
                const char *text, *address, *port; /* NULL: none */
        } rows[] = {
                { "127.0.0.1:8780", "127.0.0.1", "8780" },
                { "[::1]:0", "::1", "0" },
                { ":80", "", "80" },
                { "h:65535", "h", "65535" },
                { "h:65536", NULL, NULL },
                { "h:", NULL, NULL },
                { "h", NULL, NULL },
                { "::1:80", NULL, NULL },
                { "[::1]80", NULL, NULL },
                { "h:8x", NULL, NULL },
                { "", NULL, NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char address[64], port[8];
                const bool read = listen_parts(rows[i].text, address, port);
                if (read != (rows[i].address != NULL))
                        fail_msg("%s", rows[i].text);
                if (read) {
                        assert_string_equal(address, rows[i].address);
                        assert_string_equal(port, rows[i].port);
                }
        }
}

static void test_request_keys(void **state)
{
        static const struct {
                const char *value, *key; /* NULL: refused */
        } rows[] = {
                { "8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324" },
                { "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324" },
                { "  a  ", "a" },
                { " \"a b\" ", "a b" },
                { "\"a\\\"b\\\\\"", "a\"b\\" },
                { "\"a,b;c\"", "a,b;c" },
                { "user/17:order=3+x", "user/17:order=3+x" },
                { "~!", "~!" },
                { "", NULL },
                { "  ", NULL },
                { "\"\"", NULL },
                { "\"", NULL },
                { "\"a", NULL },
                { "\"a\\", NULL },
                { "\"a\\b\"", NULL },
                { "\"a\" b", NULL },
                { "\"a\";p=1", NULL },
                { "\"a\", \"b\"", NULL },
                { "\"a\tb\"", NULL },
                { "a b", NULL },
                { "a,b", NULL },
                { "a\"b\"", NULL },
                { "a\tb", NULL },
                { "\"물\"", NULL },
                { "물", NULL },
                { "a\x7f", NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char key[REQUEST_KEY_SIZE];
                struct problem why = { 0 };
                const int code = request_key_read(rows[i].value, key, &why);
                if (code != (rows[i].key ? 0 : 1) || strcmp(key, rows[i].key ? rows[i].key : "") != 0)
                        fail_msg("%s: %d, %s", rows[i].value, code, key);
                assert_string_equal(why.code, code ? "bad_key" : "");
        }
        for (size_t size = REQUEST_KEY_SIZE - 2; size <= REQUEST_KEY_SIZE; size++) {
                char value[REQUEST_KEY_SIZE + 1], quoted[REQUEST_KEY_SIZE + 3], key[REQUEST_KEY_SIZE];
                struct problem why;
                memset(value, 'x', size);
                value[size] = '\0';
                snprintf(quoted, sizeof(quoted), "\"%s\"", value);
                assert_int_equal(request_key_read(value, key, &why), size < REQUEST_KEY_SIZE ? 0 : 1);
                assert_int_equal(request_key_read(quoted, key, &why), size < REQUEST_KEY_SIZE ? 0 : 1);
        }
}

/* ---- routes ---- */

static const struct route_param route_params[] = {
        { "wait", ROUTE_NUMBER, 0, 60, "" },
        { "since", ROUTE_TIME, 0, 0, "" },
        { "user", ROUTE_TEXT, 0, 0, "" },
        { 0 },
};

static const struct route route_rows[] = {
        { .method = "POST", .pattern = "/v1/jobs" },
        { .method = "GET", .pattern = "/v1/jobs", .params = route_params },
        { .method = "GET", .pattern = "/v1/jobs/{id}" },
        { .method = "GET", .pattern = "/v1/jobs/{id}/events" },
        { .method = "DELETE", .pattern = "/v1/jobs/{id}" },
        { .method = "POST", .pattern = "/v1/{any}" },
        { .method = "GET", .pattern = "/folder/" },
        { 0 },
};

static void test_routes(void **state)
{
        static const struct {
                const char *method, *target;
                int row; /* or -1 */
                const char *allowed;
        } rows[] = {
                { "POST", "/v1/jobs", 0, "" },
                { "GET", "/v1/jobs?wait=1", 1, "" },
                { "HEAD", "/v1/jobs", 1, "" },
                { "GET", "/v1/jobs/x", 2, "" },
                { "GET", "/v1/jobs/x%2Fy", 2, "" },
                { "GET", "/v1/jobs/x/events", 3, "" },
                { "DELETE", "/v1/jobs/x", 4, "" },
                { "POST", "/v1/other", 5, "" },
                { "PUT", "/v1/jobs", -1, "POST, GET" },
                { "POST", "/v1/jobs/x", -1, "GET, DELETE" },
                { "get", "/v1/jobs", -1, "POST, GET" },
                { "GET", "/v1/other", -1, "POST" },
                { "GET", "/", -1, "" },
                { "GET", "/v1", -1, "" },
                { "GET", "/v1/jobs/x/y", -1, "" },
                { "GET", "/v1/job", -1, "POST" },
                { "GET", "/v1/jobs/", -1, "" },
                { "GET", "/folder/", 6, "" },
                { "GET", "/folder", -1, "" },
                { "GET", "/v2/jobs", -1, "" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct target t;
                struct problem why = { 0 };
                char allowed[ROUTE_METHODS_SIZE];
                assert_int_equal(target_read(rows[i].target, &t, &why), 0);
                const struct route *r = route_find(route_rows, rows[i].method, &t, allowed, &why);
                if (r != (rows[i].row < 0 ? NULL : &route_rows[rows[i].row]) || strcmp(allowed, rows[i].allowed) != 0)
                        fail_msg("%s %s: %s, %s", rows[i].method, rows[i].target, r ? r->pattern : "none", allowed);
                if (!r)
                        assert_string_equal(why.code, *allowed ? "bad_method" : "not_found");
                target_free(&t);
        }
}

static void test_parts_of_routes(void **state)
{
        struct target t;
        (void)state;
        assert_int_equal(target_read("/v1/jobs/a%20b/events", &t, NULL), 0);
        assert_string_equal(route_part(&route_rows[3], &t, "id"), "a b");
        assert_null(route_part(&route_rows[3], &t, "i"));
        assert_null(route_part(&route_rows[3], &t, "events"));
        target_free(&t);
}

static void test_parameters(void **state)
{
        static const struct {
                const char *target;
                int code;
        } rows[] = {
                { "/v1/jobs", 0 },           { "/v1/jobs?wait=0&user=x&since=2026-11-21T08:42:22Z", 0 },
                { "/v1/jobs?wait=60", 0 },   { "/v1/jobs?wait=61", 1 },
                { "/v1/jobs?wait=-1", 1 },   { "/v1/jobs?wait=", 1 },
                { "/v1/jobs?wait=1x", 1 },   { "/v1/jobs?wait=99999999999999999999", 1 },
                { "/v1/jobs?since=now", 1 }, { "/v1/jobs?user=", 1 },
                { "/v1/jobs?usr=x", 1 },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct target t;
                struct problem why = { 0 };
                assert_int_equal(target_read(rows[i].target, &t, &why), 0);
                if (route_check(&route_rows[1], &t, &why) != rows[i].code)
                        fail_msg("%s", rows[i].target);
                assert_string_equal(why.code, rows[i].code ? "bad_parameter" : "");
                target_free(&t);
        }
        struct target t;
        assert_int_equal(target_read("/v1/jobs?wait=7&since=1970-01-01T00:00:01Z", &t, NULL), 0);
        assert_int_equal(route_number(&t, "wait", 1), 7);
        assert_int_equal(route_number(&t, "limit", 50), 50);
        assert_int_equal(route_time(&t, "since"), 1000);
        assert_int_equal(route_time(&t, "until"), 0);
        target_free(&t);
}

/* ---- problems ---- */

static void test_problems(void **state)
{
        static const struct problem_row own[] = { { "request", "no_thing", 404 }, { "shop", "bad_input", 422 }, { 0 } };
        static const struct {
                const char *source, *code;
                unsigned alone, with_own;
        } rows[] = {
                { "request", "bad_target", 400, 400 }, { "request", "no_thing", 503, 404 },
                { "shop", "bad_input", 503, 422 },     { "other", "no_thing", 503, 503 }, /* another's word */
                { "other", "bad_target", 503, 503 },
        };
        struct problem why = { 0 };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                problem_set(&why, rows[i].source, rows[i].code, "why");
                assert_int_equal(problem_status(&why, NULL), rows[i].alone);
                assert_int_equal(problem_status(&why, own), rows[i].with_own);
        }
        problem_set(&why, "store", "anything", "why");
        json_t *extra = json_pack("{s:i, s:s}", "line", 3, "code", "mine"), *value = problem_details(503, &why, extra);
        char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
        assert_string_equal(text, "{\"code\":\"anything\",\"detail\":\"why\",\"line\":3,\"status\":503,"
                                  "\"title\":\"Service Unavailable\",\"type\":\"urn:chard:problem:anything\"}");
        free(text);
        json_decref(value);
        json_decref(extra);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_targets),         cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_origins),         cmocka_unit_test(test_loopback),
                cmocka_unit_test(test_addresses),       cmocka_unit_test(test_routes),
                cmocka_unit_test(test_parts_of_routes), cmocka_unit_test(test_parameters),
                cmocka_unit_test(test_problems),        cmocka_unit_test(test_request_keys),
                cmocka_unit_test(test_listed_origins),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
