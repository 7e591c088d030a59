/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the end of a job: signatures, when it is tried again, where it may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/net/reach.h"
#include "duties/delivery.h"
#include "tests/unit/short_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER  "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* The vector that Standard Webhooks' reference implementations are tested with. */
static void a_signature_is_the_published_one(void **state)
{
        struct delivery_secrets secrets;
        struct problem why;
        char out[DELIVERY_SIGNATURES_SIZE];
        (void)state;
        if (!holds_unless_short(delivery_secrets_read(&secrets, SECRET, &why) == 0))
                return;
        if (holds_unless_short(
                    delivery_sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}", out)))
                assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        else
                assert_string_equal(out, "");
        if (!holds_unless_short(delivery_secrets_read(&secrets, SECRET ", " OTHER "\n", &why) == 0))
                return;
        assert_int_equal(secrets.count, 2);
        if (holds_unless_short(
                    delivery_sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}", out)))
                assert_true(strstr(out, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,") == out + 3);
}

static void a_secret_is_long_and_well_written(void **state)
{
        static const char *const rows[] = {
                "whsec_",
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa",
                "whsec_MfKQ9r8G",
                "whsec_****************************************",
                SECRET " x",
                SECRET " " SECRET " " SECRET " " SECRET " " SECRET,
        };
        struct delivery_secrets secrets;
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem why = { 0 };
                const int code = delivery_secrets_read(&secrets, rows[i], &why);
                if (holds_unless_short(code != -ENOMEM)) {
                        assert_int_equal(code, 1);
                        assert_string_equal(why.code, "bad_setting");
                        assert_null(strstr(why.text, "MfKQ"));
                }
        }
        assert_int_equal(delivery_secrets_read(&secrets, " \n", NULL), 0);
        assert_int_equal(secrets.count, 0);
}

static void it_is_tried_for_three_days(void **state)
{
        int64_t least_ms = 0, most_ms = 0;
        unsigned attempts = 1;
        (void)state;
        for (; delivery_wait_ms(attempts, 0, 0) >= 0; attempts++) {
                least_ms += delivery_wait_ms(attempts, 0, 0);
                const int64_t wait_ms = delivery_wait_ms(attempts, 0, UINT64_MAX);
                assert_true(wait_ms > 0);
                most_ms += wait_ms;
        }
        assert_int_equal(attempts, 10);
        assert_true(least_ms > (int64_t)60 * 3600 * 1000 && most_ms < (int64_t)96 * 3600 * 1000);
        assert_int_equal(delivery_wait_ms(1, 30000, 0), 30000);
        assert_int_equal(delivery_wait_ms(1, UINT64_MAX, 0), (int64_t)24 * 3600 * 1000);
        assert_int_equal(delivery_wait_ms(UINT32_MAX, 0, 0), -1);
}

static void only_addresses_of_the_internet_are_public(void **state)
{
        static const struct {
                const char *text;
                bool is_public;
        } rows[] = {
                { "8.8.8.8", true },
                { "1.1.1.1", true },
                { "172.15.255.255", true },
                { "172.32.0.1", true },
                { "100.63.255.255", true },
                { "100.128.0.1", true },
                { "223.255.255.255", true },
                { "0.0.0.0", false },
                { "10.1.2.3", false },
                { "100.64.0.1", false },
                { "127.0.0.1", false },
                { "127.255.255.254", false },
                { "169.254.169.254", false },
                { "172.16.0.1", false },
                { "172.31.255.255", false },
                { "192.168.1.1", false },
                { "192.0.2.1", false },
                { "198.19.0.1", false },
                { "224.0.0.1", false },
                { "240.0.0.1", false },
                { "255.255.255.255", false },
                { "2606:4700::1111", true },
                { "2a00:1450::1", true },
                { "2001:4860:4860::8888", true },
                { "::", false },
                { "::1", false },
                { "::ffff:127.0.0.1", false },
                { "::ffff:8.8.8.8", true },
                { "64:ff9b::a00:1", false },
                { "64:ff9b::808:808", true },
                { "2002:7f00:1::", false },
                { "2002:808:808::", true },
                { "2001:db8::1", false },
                { "2001::1", false },
                { "fe80::1", false },
                { "fc00::1", false },
                { "fd12::1", false },
                { "ff02::1", false },
                { "fec0::1", false },
                { "64:ff9b:1::1", false },
                { "3fff::1", false },
                { "example.com", false },
                { "2130706433", false },
                { "", false },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (address_text_is_public(rows[i].text, NULL) != rows[i].is_public)
                        fail_msg("%s", rows[i].text);
}

static void where_it_may_go(void **state)
{
        static const struct {
                const char *url;
                bool allowed, with_private;
        } rows[] = {
                { "https://example.com/hook?a=b", true, true },
                { "HTTPS://example.com", true, true },
                { "https://8.8.8.8:8443/x", true, true },
                { "http://example.com/hook", false, true },
                { "https://127.0.0.1/", false, true },
                { "https://[::1]:8080/", false, true },
                { "https://LOCALHOST/", false, true },
                { "https://user@example.com/", false, false },
                { "https://user:pw@example.com/", false, false },
                { "ftp://example.com/", false, false },
                { "file:///etc/passwd", false, false },
                { "https:///x", false, false },
                { "example.com", false, false },
                { "", false, false },
                { "https://example.com/a b", false, false },
                { "https://example.com/\r\nx: y", false, false },
                { "https://example.com/\xC3\xA9", false, false },
        };
        char longest[DELIVERY_URL_MOST + 2];
        struct problem why;
        (void)state;
        for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
                const bool with_private = i % 2;
                const int code = delivery_check_url(rows[i / 2].url, with_private, &why);
                if (!holds_unless_short(code >= 0))
                        continue;
                if ((code == 0) != (with_private ? rows[i / 2].with_private : rows[i / 2].allowed))
                        fail_msg("%s %d", rows[i / 2].url, with_private);
        }
        memset(longest, 'a', sizeof(longest));
        memcpy(longest, "https://", 8);
        longest[sizeof(longest) - 1] = '\0';
        assert_int_equal(delivery_check_url(longest, true, &why), 1);
        assert_string_equal(why.code, "bad_webhook");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_signature_is_the_published_one),
                cmocka_unit_test(a_secret_is_long_and_well_written),
                cmocka_unit_test(it_is_tried_for_three_days),
                cmocka_unit_test(only_addresses_of_the_internet_are_public),
                cmocka_unit_test(where_it_may_go),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
