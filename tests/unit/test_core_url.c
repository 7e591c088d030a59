/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of servers, and %XX. */
#include "core/text/hex.h"
#include "core/text/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "scheme|user|password|host|port|path|query", with - for none. */
static const char *shown(const struct url *u, char *out, size_t size)
{
        const char *const parts[] = { u->scheme, u->user, u->password, u->host, u->port, u->path, u->query };
        size_t used = 0;
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "|" : "", parts[i] ? parts[i] : "-");
        return out;
}

static void test_parts(void **state)
{
        static const struct {
                const char *text, *parts; /* NULL: refused */
        } rows[] = {
                { "a://", "a|-|-|-|-|-|-" },
                { "a:///", "a|-|-|-|-|/|-" },
                { "a://h", "a|-|-|h|-|-|-" },
                { "a://h:1/p?q=1&r#f", "a|-|-|h|1|/p|q=1&r" },
                { "a://u:p@h:65535", "a|u|p|h|65535|-|-" },
                { "a://u@h", "a|u|-|h|-|-|-" },
                { "a://:p@/1", "a|-|p|-|-|/1|-" },
                { "a://u:p@x:y@h", "a|u|p@x:y|h|-|-|-" },
                { "a://%75:p%40%2F@h%2e/%41", "a|u|p@/|h.|-|/%41|-" },
                { "a://50%:5%zz@h", "a|50%|5%zz|h|-|-|-" },
                { "a://[::1]", "a|-|-|::1|-|-|-" },
                { "a://[::1]:7/0", "a|-|-|::1|7|/0|-" },
                { "a://:7", "a|-|-|-|7|-|-" },
                { "a://h:", "a|-|-|h|-|-|-" },
                { "a://h?q", "a|-|-|h|-|-|q" },
                { "a+b:///s/o?v=1", "a+b|-|-|-|-|/s/o|v=1" },
                { "", NULL },
                { "://h", NULL },
                { "a:h", NULL },
                { "a://h:0", NULL },
                { "a://h:65536", NULL },
                { "a://h:123456", NULL },
                { "a://h:1x", NULL },
                { "a://h:-1", NULL },
                { "a://[::1", NULL },
                { "a://[]", NULL },
                { "a://[::1]x", NULL },
                { "a://h/ b", NULL },
                { "a://h\n", NULL },
                { "a://u%00:p@h", NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct url u;
                char text[200];
                const int rc = url_read(rows[i].text, &u);
                assert_int_equal(rc, rows[i].parts ? 0 : 1);
                if (rc == 0)
                        assert_string_equal(shown(&u, text, sizeof(text)), rows[i].parts);
                url_free(&u);
        }
}

static void test_a_percent_sign_of_its_own_is_known(void **state)
{
        bool malformed = false, zero = false;
        (void)state;
        char *text = url_decode("a%2g%", 5, &malformed, &zero);
        assert_string_equal(text, "a%2g%");
        assert_true(malformed);
        assert_false(zero);
        free(text);
        assert_null(url_decode("a%00", 4, &malformed, &zero));
        assert_true(zero);
}

static void test_digits(void **state)
{
        (void)state;
        for (int c = -128; c < 128; c++) {
                const char text[2] = { (char)c, '\0' };
                char *end = NULL;
                const long value = strtol(text, &end, 16);
                assert_int_equal(hex_value((char)c), end == text ? -1 : value);
        }
        assert_int_equal(hex_escape("%fF", 3), 255);
        assert_int_equal(hex_escape("%fF", 2), -1);
        assert_int_equal(hex_escape("%f", 2), -1);
        assert_int_equal(hex_escape("fFF", 3), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_a_percent_sign_of_its_own_is_known),
                cmocka_unit_test(test_digits),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
