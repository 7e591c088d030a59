/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/link/conninfo.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *value(const struct conninfo *a, const char *keyword)
{
        for (size_t i = 0; a->keywords[i]; i++) {
                if (strcmp(a->keywords[i], keyword) == 0)
                        return a->values[i];
        }
        return "";
}

static void test_what_the_url_leaves_open_is_filled_in(void **state)
{
        static const struct {
                const char *url, *keyword, *value;
        } rows[] = {
                { "postgresql://u:p@h:5/d", "host", "h" },
                { "postgresql://u:p@h:5/d", "port", "5" },
                { "postgresql://u:p%40@h/d", "password", "p@" },
                { "postgres://h/d", "dbname", "d" },
                { "postgres://h/d", "client_encoding", "UTF8" },
                { "postgres://h/d", "target_session_attrs", "read-write" },
                { "postgres://h/d?target_session_attrs=any", "target_session_attrs", "any" },
                { "postgres://h/d", "tcp_user_timeout", "9000" },
                { "postgres://h/d?tcp_user_timeout=7", "tcp_user_timeout", "7" },
                { "postgres://a,b,c/d", "tcp_user_timeout",
                  "2000" }, /* each host has its share of the time to connect */
                { "postgres://h/d", "application_name", "w1" },
                { "postgres://h/d?application_name=mine", "application_name", "mine" },
                { "postgres://h/d?connect_timeout=99", "connect_timeout", "" }, /* there is a deadline of our own */
                { "postgres://h/d", "keepalives_idle", "5" },
                { "postgres://h/d", "gssencmode", "disable" },
                { "postgres://h/d?gssencmode=prefer", "gssencmode", "prefer" },
                { "postgres://a:1,b:2/d", "port", "1,2" },
                { "postgres://a,b/d", "host", "a,b" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct conninfo a;
                struct problem why;

                assert_int_equal(conninfo_read(&a, rows[i].url, "w1", 6000, 9000, &why), 0);
                assert_string_equal(value(&a, rows[i].keyword), rows[i].value);
                conninfo_free(&a);
        }
}

static void test_a_bad_url_is_told_without_its_password(void **state)
{
        static const char *const urls[] = {
                "postgresql://u:SECRET@h:x/d",      "postgresql://u:SECRET@h:0/d", "postgresql://u:SECRET@h:65536/d",
                "postgresql://u:SECRET@[::1/d",     "postgresql://u:SECRET%zz@h",  "postgresql://u:SECRET@h/d?SECRET=1",
                "postgresql://u:SECRET@a:1,b:2x/d", "mysql://u:SECRET@h/d",        "SECRET",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
                struct store_config config = { .url = urls[i] };
                struct store *store = NULL;
                struct problem why = { 0 };

                assert_int_equal(store_open(&store, &config, &why), 1);
                assert_string_equal(why.code, "bad_url");
                assert_null(strstr(why.text, "SECRET"));
                assert_int_equal(
                        store_migrate(&(struct store_migration){ .url = urls[i], .connect_timeout_ms = 1000 }, &why),
                        1);
                assert_string_equal(why.code, "bad_url");
                assert_null(strstr(why.text, "SECRET"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_the_url_leaves_open_is_filled_in),
                cmocka_unit_test(test_a_bad_url_is_told_without_its_password),
        };

        return cmocka_run_group_tests_name("store_address", tests, NULL, NULL);
}
