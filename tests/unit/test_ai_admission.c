/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/http/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct row {
        const char *what;
        struct admission a;
        size_t connections;
        bool left;
} rows[] = {
        { "HTTP/1, nothing yet", { .literal = true, .most_connections = 2 }, 0, true },
        { "HTTP/1, one of two", { .literal = true, .most_connections = 2, .used = 1 }, 1, true },
        { "HTTP/1, both", { .literal = true, .most_connections = 2, .used = 2 }, 2, false },
        { "many starting", { .literal = true, .most_connections = 9999, .used = 300, .starting = 255 }, 300, true },
        { "too many starting",
          { .literal = true, .most_connections = 9999, .used = 300, .starting = 256 },
          300,
          false },
        { "address unknown", { .most_connections = 9999, .used = 16, .starting = 15 }, 0, true },
        { "address unknown, enough look-ups", { .most_connections = 9999, .used = 16, .starting = 16 }, 0, false },
        { "address known", { .most_connections = 9999, .used = 16, .starting = 16, .known_until_ms = 1001 }, 0, true },
        { "address forgotten",
          { .most_connections = 9999, .used = 16, .starting = 16, .known_until_ms = 1000 },
          0,
          false },
        { "HTTP/2, the first", { .protocol = PROTOCOL_HTTP2, .literal = true, .most_connections = 5 }, 0, true },
        { "HTTP/2, the second waits for the first's connection",
          { .protocol = PROTOCOL_HTTP2,
            .literal = true,
            .most_connections = 5,
            .used = 1,
            .starting = 1,
            .connecting = 1 },
          1,
          false },
        { "HTTP/2, filling it",
          { .protocol = PROTOCOL_HTTP2, .literal = true, .most_connections = 5, .used = 99 },
          1,
          true },
        { "HTTP/2, one makes the next",
          { .protocol = PROTOCOL_HTTP2, .literal = true, .most_connections = 5, .used = 100 },
          1,
          true },
        { "HTTP/2, the others wait for it",
          { .protocol = PROTOCOL_HTTP2, .literal = true, .most_connections = 5, .used = 101, .connecting = 1 },
          2,
          false },
        { "HTTP/2, growing by as many again",
          { .protocol = PROTOCOL_HTTP2, .literal = true, .most_connections = 50, .used = 1003, .connecting = 3 },
          13,
          true },
        { "HTTP/2, but not more",
          { .protocol = PROTOCOL_HTTP2, .literal = true, .most_connections = 50, .used = 1010, .connecting = 10 },
          20,
          false },
        { "HTTP/2, all connections full",
          { .protocol = PROTOCOL_HTTP2, .literal = true, .most_connections = 5, .used = 500 },
          5,
          false },
        { "unknown: no more than connections",
          { .protocol = PROTOCOL_UNKNOWN, .literal = true, .most_connections = 5, .used = 5 },
          1,
          false },
        { "unknown: a scout",
          { .protocol = PROTOCOL_UNKNOWN, .literal = true, .most_connections = 5, .used = 1, .connecting = 1 },
          1,
          false },
        { "unknown: then others",
          { .protocol = PROTOCOL_UNKNOWN, .literal = true, .most_connections = 5, .used = 1 },
          1,
          true },
};

static void there_is_room_or_not(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (admission_open(&rows[i].a, rows[i].connections, 1000) != rows[i].left)
                        fail_msg("%s", rows[i].what);
}

static void an_address_is_known_for_less_than_curl_keeps_it(void **state)
{
        (void)state;
        struct admission a = { .most_connections = 100, .starting = ADMISSION_MOST_LOOKUPS };
        assert_false(admission_open(&a, 0, 5000));
        admission_address_known(&a, 5000);
        assert_true(admission_open(&a, 0, 5000 + ADMISSION_ADDRESS_KNOWN_MS - 1));
        assert_false(admission_open(&a, 0, 5000 + ADMISSION_ADDRESS_KNOWN_MS));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(there_is_room_or_not),
                cmocka_unit_test(an_address_is_known_for_less_than_curl_keeps_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
