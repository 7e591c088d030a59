/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void good_urls(void **state)
{
        (void)state;
        static const struct {
                const char *url, *host, *user, *password, *vhost;
                int port;
                bool tls;
        } cases[] = {
                { "amqp://", "localhost", "guest", "guest", "/", 5672, false },
                { "amqp://h", "h", "guest", "guest", "/", 5672, false },
                { "AMQPS://h", "h", "guest", "guest", "/", 5671, true },
                { "amqp://h/", "h", "guest", "guest", "/", 5672, false },
                { "amqp://h//", "h", "guest", "guest", "/", 5672, false },
                { "amqp://h/%2F", "h", "guest", "guest", "/", 5672, false },
                { "amqp://h/%2f", "h", "guest", "guest", "/", 5672, false },
                { "amqp://h:1/v", "h", "guest", "guest", "v", 1, false },
                { "amqp://u@h:65535/a%2Fb/c", "h", "u", "", "a/b/c", 65535, false },
                { "amqp://u:@h/v", "h", "u", "", "v", 5672, false },
                { "amqp://u%40x:p%3A%2F%40%25@h/v", "h", "u@x", "p:/@%", "v", 5672, false },
                { "amqp://u:p@ss:w@h:7/v", "h", "u", "p@ss:w", "v", 7, false },
                { "amqp://%C3%BC:%e2%82%ac@h/%c3%a9", "h", "ü", "€", "é", 5672, false },
                { "amqp://u#1:p?x y#@h/v#2", "h", "u#1", "p?x y#", "v#2", 5672, false },
                { "amqp://:p@h", "h", "", "p", "/", 5672, false },
                { "amqp://@h", "h", "guest", "guest", "/", 5672, false },
                { "amqp://u:p@[::1]:5/v", "::1", "u", "p", "v", 5, false },
                { "amqps://[fe80::1]", "fe80::1", "guest", "guest", "/", 5671, true },
                { "  amqp://h/v \n", "h", "guest", "guest", "v", 5672, false },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct amqp_address_list list;
                struct problem why = { .code = "" };
                if (amqp_address_list_parse(&list, cases[i].url, &why) != 0)
                        fail_msg("%s: %s", cases[i].url, why.text);
                assert_int_equal(list.count, 1);
                assert_string_equal(list.items[0].host, cases[i].host);
                assert_string_equal(list.items[0].user, cases[i].user);
                assert_string_equal(list.items[0].password, cases[i].password);
                assert_string_equal(list.items[0].vhost, cases[i].vhost);
                assert_int_equal(list.items[0].port, cases[i].port);
                assert_int_equal(list.items[0].tls, cases[i].tls);
                amqp_address_list_free(&list);
        }
}

static void several_urls(void **state)
{
        (void)state;
        struct amqp_address_list list;
        assert_int_equal(amqp_address_list_parse(&list, "amqp://a, amqps://b/v ;amqp://c:1,", NULL), 0);
        assert_int_equal(list.count, 3);
        assert_string_equal(list.items[0].host, "a");
        assert_string_equal(list.items[1].vhost, "v");
        assert_true(list.items[1].tls);
        assert_int_equal(list.items[2].port, 1);
        amqp_address_list_free(&list);
}

static void bad_urls(void **state)
{
        (void)state;
        static const char *const cases[] = {
                "",
                " ",
                ",",
                "h",
                "http://h",
                "amqp:/h",
                "amqp//h",
                "amqp://h:",
                "amqp://h:0",
                "amqp://h:65536",
                "amqp://h:99999999999",
                "amqp://h:5x",
                "amqp://h:-1",
                "amqp://[::1",
                "amqp://[::1]x",
                "amqp://[::1]:",
                "amqp://secret%@h",
                "amqp://u:secret%2@h",
                "amqp://u:secret%zz@h",
                "amqp://u:secret%00@h",
                "amqp://h/%",
                "amqp://h/v?heartbeat=1",
                "amqp://h?x/v",
                "amqp://?x",
                "amqp://u:secret@h:x/v",
                "amqp://a,amqp://u:secret@h:x/v",
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct amqp_address_list list;
                struct problem why = { .code = "" };
                if (amqp_address_list_parse(&list, cases[i], &why) != 1)
                        fail_msg("accepted: %s", cases[i]);
                assert_string_equal(why.code, "bad_url");
                assert_null(strstr(why.text, "secret"));
                assert_null(list.items);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_urls),
                cmocka_unit_test(several_urls),
                cmocka_unit_test(bad_urls),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
