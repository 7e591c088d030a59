/* SPDX-License-Identifier: Apache-2.0 */
/* What redis/ reads of a URL. */
#include "redis/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void same(const char *found, const char *wanted)
{
        if (wanted)
                assert_string_equal(found ? found : "(none)", wanted);
        else
                assert_null(found);
}

static void test_one_server(void **state)
{
        static const struct {
                const char *url, *host, *port, *user, *password, *db, *prefix;
                bool tls;
        } rows[] = {
                { "redis://", "localhost", "6379", NULL, NULL, NULL, NULL, false },
                { "redis:///", "localhost", "6379", NULL, NULL, NULL, NULL, false },
                { "redis:///7", "localhost", "6379", NULL, NULL, "7", NULL, false },
                { "redis://h", "h", "6379", NULL, NULL, NULL, NULL, false },
                { "redis://:pw@/1", "localhost", "6379", NULL, "pw", "1", NULL, false },
                { "redis://u:p%40%2F@h:7/12", "h", "7", "u", "p@/", "12", NULL, false },
                { "redis://[::1]:7", "::1", "7", NULL, NULL, NULL, NULL, false },
                { "redis://h/1?db=2", "h", "6379", NULL, NULL, "2", NULL, false },
                { "redis://h?virtual_host=2&password=a%26b", "h", "6379", NULL, "a&b", "2", NULL, false },
                { "redis://h?global_keyprefix=app", "h", "6379", NULL, NULL, NULL, "app_", false },
                { "redis://h?global_keyprefix=app:", "h", "6379", NULL, NULL, NULL, "app:", false },
                { "redis://h?global_keyprefix=", "h", "6379", NULL, NULL, NULL, NULL, false },
                { "redis://h?socket_timeout=3&health_check_interval=9", "h", "6379", NULL, NULL, NULL, NULL, false },
                { "rediss://h", "h", "6379", NULL, NULL, NULL, NULL, true },
                { "rediss://h?ssl_cert_reqs=CERT_NONE", "h", "6379", NULL, NULL, NULL, NULL, true },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct redis_address a;
                struct problem why = { 0 };
                assert_int_equal(redis_address_read(rows[i].url, &a, &why), 0);
                assert_int_equal(a.host_count, 1);
                same(a.hosts[0].name, rows[i].host);
                same(a.hosts[0].port, rows[i].port);
                same(a.user, rows[i].user);
                same(a.password, rows[i].password);
                same(a.db, rows[i].db);
                same(a.prefix, rows[i].prefix);
                assert_int_equal(a.tls.on, rows[i].tls);
                redis_address_free(&a);
        }
}

static void test_a_socket(void **state)
{
        static const char *const urls[] = { "redis+socket:///run/redis.sock?virtual_host=3",
                                            "redis+socket://:pw@/run/redis.sock?db=3",
                                            "redis+socket://localhost/run/redis.sock?db=3&password=pw" };
        (void)state;
        for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
                struct redis_address a;
                struct problem why = { 0 };
                assert_int_equal(redis_address_read(urls[i], &a, &why), 0);
                assert_int_equal(a.host_count, 0);
                same(a.path, "/run/redis.sock");
                same(a.db, "3");
                same(a.password, i ? "pw" : NULL);
                redis_address_free(&a);
        }
}

static void test_sentinels(void **state)
{
        struct redis_address a;
        struct problem why = { 0 };
        (void)state;
        const char *url =
                "sentinel://:pw@a:1/2;sentinel://:pw@b/2;sentinel://[::1]:3?master_name=m&sentinel_password=s%3B"
                "&ssl_cert_reqs=optional&ssl_check_hostname=false&sentinel_ssl=true";
        assert_int_equal(redis_address_read(url, &a, &why), 0);
        assert_int_equal(a.host_count, 3);
        same(a.hosts[0].port, "1");
        same(a.hosts[1].port, "26379");
        same(a.hosts[2].name, "::1");
        same(a.master, "m");
        same(a.password, "pw");
        same(a.db, "2");
        same(a.sentinel_password, "s;");
        assert_true(a.tls.on && a.sentinel_tls && a.tls.any_name && !a.tls.trust_any);
        redis_address_free(&a);
}

static void test_refused(void **state)
{
        static const struct {
                const char *url, *says;
        } rows[] = {
                { "redis://h:99999999/0", "can't be read" },
                { "redis://h/abc", "no number" },
                { "redis+socket:", "can't be read" },
                { "redis+socket:///", "names no socket" },
                { "redis+socket:///run/a;redis+socket:///run/b", "more servers than it may" },
                { "redis+socket:///run/a;redis://b", "more servers than it may" },
                { "redis://a;redis+socket:///run/b", "more servers than it may" },
                { "redis://h?ssl_cert_reqs=none", "rediss://" },
                { "rediss://h?ssl_cert_reqs=maybe", "neither" },
                { "rediss://h?ssl_check_hostname=maybe", "neither true nor false" },
                { "redis://h?nonsense=1", "unknown parameter, nonsense" },
                { "redis://h?credential_provider=a.b", "unknown parameter, credential_provider" },
                { "redis://a;redis://b", "more servers" },
                { "redis://a;sentinel://b", "more servers" },
                { "sentinel://a", "master_name" },
                { "redis://a?master_name=m", "sentinel://" },
                { "memcached://h", "begins with none of" },
                { "", "can't be read" },
                { ";", "can't be read" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct redis_address a;
                struct problem why = { 0 };
                assert_int_equal(redis_address_read(rows[i].url, &a, &why), 1);
                if (!strstr(why.text, rows[i].says))
                        fail_msg("%s: %s", rows[i].url, why.text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_server),
                cmocka_unit_test(test_a_socket),
                cmocka_unit_test(test_sentinels),
                cmocka_unit_test(test_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
