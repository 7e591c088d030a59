/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/http/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct row {
        const char *base, *url; /* NULL = refused */
        bool tls, literal;
} rows[] = {
        { NULL, "https://api.openai.com/v1/chat/completions", true, false },
        { "", "https://api.openai.com/v1/chat/completions", true, false },
        { "https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions", true, false },
        { "https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions", true, false },
        { "https://api.openai.com/v1//", "https://api.openai.com/v1/chat/completions", true, false },
        { "http://localhost:8000", "http://localhost:8000/chat/completions", false, true },
        { "http://127.0.0.1:8000/", "http://127.0.0.1:8000/chat/completions", false, true },
        { "http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions", false, true },
        { "https://gateway.example/a/b/openai?api-version=1",
          "https://gateway.example/a/b/openai/chat/completions?api-version=1", true, false },
        { "http://host/v1#part", "http://host/v1/chat/completions", false, false },
        { "http://user:pass@host/v1", "http://user:pass@host/v1/chat/completions", false, false },
        { "api.openai.com/v1", NULL, false, false },
        { "ftp://host/v1", NULL, false, false },
        { "file:///etc/passwd", NULL, false, false },
        { "http://", NULL, false, false },
        { "http://host:99999/", NULL, false, false },
        { "not a url", NULL, false, false },
};

static void a_base_url_becomes_the_endpoints(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct endpoint e;
                struct problem why;
                const struct ai_config config = { .base_url = rows[i].base };
                const int result = endpoint_open(&e, &config, &why);
                if (result != (rows[i].url ? 0 : 1))
                        fail_msg("%s: %d", rows[i].base, result);
                if (result == 0) {
                        assert_string_equal(e.url, rows[i].url);
                        assert_int_equal(e.tls, rows[i].tls);
                        assert_int_equal(e.literal, rows[i].literal);
                } else {
                        assert_string_equal(why.source, "settings");
                        assert_string_equal(why.code, "bad_setting");
                }
                endpoint_close(&e);
        }
}

static bool has_header(const struct endpoint *e, const char *line)
{
        for (const struct curl_slist *h = e->key->headers; h; h = h->next)
                if (strcmp(h->data, line) == 0)
                        return true;
        return false;
}

static void the_key_goes_into_one_header(void **state)
{
        (void)state;
        struct endpoint e;
        const struct ai_config config = { .api_key = "sk-test" };
        assert_int_equal(endpoint_open(&e, &config, NULL), 0);
        assert_true(has_header(&e, "Authorization: Bearer sk-test"));
        assert_true(has_header(&e, "Content-Type: application/json"));
        assert_string_equal(e.key->secret, "sk-test");
        endpoint_close(&e);
        const struct ai_config none = { .api_key = "" };
        assert_int_equal(endpoint_open(&e, &none, NULL), 0);
        assert_null(e.key->secret);
        for (const struct curl_slist *h = e.key->headers; h; h = h->next)
                assert_null(strstr(h->data, "Authorization"));
        endpoint_close(&e);
}

static void a_key_that_is_none_is_refused_and_not_shown(void **state)
{
        (void)state;
        static const char *const keys[] = { "two words", "line\nX-Evil: 1", "line\r", "tab\t", "caf\xc3\xa9", "\x7f" };
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                struct endpoint e;
                struct problem why;
                const struct ai_config config = { .api_key = keys[i] };
                assert_int_equal(endpoint_open(&e, &config, &why), 1);
                assert_string_equal(why.code, "bad_setting");
                assert_null(strstr(why.text, keys[i]));
                endpoint_close(&e);
        }
}

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* What goes out before the key's own headers, separated by "|". */
static void traced_lines(const struct endpoint *e, const struct endpoint_headers *h, char text[256])
{
        *text = '\0';
        for (const struct curl_slist *l = h->count ? &h->links[h->count - 1] : e->key->headers; l != e->key->headers;
             l = l->next)
                strcat(strcat(text, *text ? "|" : ""), l->data);
}

/* One handle for all requests, as connections have it: nothing of one goes out with the next. */
static void of_a_trace_goes_out_what_is_well_formed(void **state)
{
        (void)state;
        static const struct {
                const char *parent, *state, *baggage, *line, *with_baggage;
        } requests[] = {
                { NULL, NULL, NULL, "", "" },
                { PARENT, NULL, NULL, "traceparent: " PARENT, "traceparent: " PARENT },
                { PARENT, "a=1", "k=v", "tracestate: a=1|traceparent: " PARENT,
                  "baggage: k=v|tracestate: a=1|traceparent: " PARENT },
                { NULL, "a=1", "k=v", "", "baggage: k=v" },
                { NULL, NULL, NULL, "", "" },
                { "00-x", "a=1", NULL, "", "" },
                { PARENT, "a=1\r\nX-Evil: 1", "k=v\nX-Evil: 1", "traceparent: " PARENT, "traceparent: " PARENT },
                { PARENT "\r\nX: 1", "a=1", "k=v", "", "baggage: k=v" },
        };
        for (unsigned allowed = 0; allowed < 2; allowed++) {
                struct endpoint e;
                struct endpoint_headers h = { 0 };
                const struct ai_config config = { .api_key = "sk-test", .baggage = allowed };
                CURL *easy = curl_easy_init();
                assert_non_null(easy);
                assert_int_equal(endpoint_open(&e, &config, NULL), 0);
                for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
                        char text[256];
                        struct trace_context trace = { .parent = requests[i].parent };
                        if (requests[i].state)
                                trace.state = bytes_of_string(requests[i].state);
                        if (requests[i].baggage)
                                trace.baggage = bytes_of_string(requests[i].baggage);
                        assert_int_equal(endpoint_apply_headers(&e, easy, &h, &trace), 0);
                        traced_lines(&e, &h, text);
                        assert_string_equal(text, allowed ? requests[i].with_baggage : requests[i].line);
                        endpoint_drop_headers(&h);
                }
                curl_easy_cleanup(easy);
                endpoint_close(&e);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_base_url_becomes_the_endpoints),
                cmocka_unit_test(the_key_goes_into_one_header),
                cmocka_unit_test(a_key_that_is_none_is_refused_and_not_shown),
                cmocka_unit_test(of_a_trace_goes_out_what_is_well_formed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
