/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: what is made, what is read, what they allow. */
#include "gateway/api_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID     "0123456789"
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY    "chard_" ID "_" SECRET

static void what_is_made_is_read_again(void **state)
{
        char key[API_KEY_SIZE], id[API_KEY_ID_SIZE], digest[DIGEST_TEXT_SIZE];
        char other[API_KEY_SIZE], other_id[API_KEY_ID_SIZE], other_digest[DIGEST_TEXT_SIZE], header[128];
        (void)state;
        assert_true(api_key_new(key, id, digest) && api_key_new(other, other_id, other_digest));
        assert_int_equal(strlen(key), API_KEY_SIZE - 1);
        assert_string_not_equal(key, other);
        assert_string_not_equal(id, other_id);
        assert_false(api_key_same(digest, other_digest));
        assert_null(strstr(digest, strrchr(key, '_') + 1));
        snprintf(header, sizeof(header), "Bearer %s", key);
        assert_int_equal(api_key_read(header, other, other_id, NULL), 0);
        assert_string_equal(other, key);
        assert_string_equal(other_id, id);
        assert_true(api_key_digest(other, other_digest) && api_key_same(digest, other_digest));
        memset(digest, 0, sizeof(digest));
        assert_false(api_key_same(digest, digest)); /* no digest is like none */
}

static void a_header_has_a_key_or_says_why_not(void **state)
{
        static const struct {
                const char *header, *code; /* "": it is read */
        } rows[] = {
                { "Bearer " KEY, "" },
                { "bearer   " KEY, "" },
                { NULL, "no_key" },
                { "", "wrong_key" },
                { KEY, "wrong_key" },
                { "Bearer", "wrong_key" },
                { "Bearer ", "wrong_key" },
                { "Basic " KEY, "wrong_key" },
                { "Bearer chard_", "wrong_key" },
                { "Bearer " KEY " ", "wrong_key" },
                { "Bearer " KEY "0", "wrong_key" },
                { "Bearer x" KEY, "wrong_key" },
                { "Bearer Chard_" ID "_" SECRET, "wrong_key" },
                { "Bearer chard_" ID "-" SECRET, "wrong_key" },
                { "Bearer chard_012345678g_" SECRET, "wrong_key" },
                { "Bearer chard_" SECRET "_" ID, "wrong_key" },
                { "Bearer chard_" ID "_0011223344556677_899aabbccddeeff00112233445566778899aabbccddeeff", "wrong_key" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char key[API_KEY_SIZE], id[API_KEY_ID_SIZE];
                struct problem why = { 0 };
                const int code = api_key_read(rows[i].header, key, id, &why);
                const bool read = !*rows[i].code;
                if (code != !read || strcmp(why.code, rows[i].code) != 0 || strcmp(key, read ? KEY : "") != 0 ||
                    strcmp(id, read ? ID : "") != 0)
                        fail_msg("%s: %d, %s", rows[i].header ? rows[i].header : "none", code, why.code);
        }
}

static void scopes_are_a_list_of_names(void **state)
{
        static const struct {
                const char *text;
                unsigned scopes;
                const char *written;
        } rows[] = {
                { "submit", API_SUBMIT, "submit" },
                { "read,submit", API_SUBMIT | API_READ, "submit,read" },
                { " operate , read ", API_READ | API_OPERATE, "read,operate" },
                { "submit,read,operate,admin", 15, "submit,read,operate,admin" },
                { "admin,admin", API_ADMIN, "admin" },
                { "", 0, "" },
                { " ,", 0, "" },
                { "all", 0, "" },
                { "submit,write", 0, "" },
                { "Submit", 0, "" },
                { "submi", 0, "" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char written[API_SCOPES_SIZE];
                const unsigned scopes = api_scopes_read(rows[i].text);
                api_scopes_write(scopes, written);
                if (scopes != rows[i].scopes || strcmp(written, rows[i].written) != 0)
                        fail_msg("%s: %u, %s", rows[i].text, scopes, written);
        }
}

static void who_may_do_what(void **state)
{
        static const struct {
                unsigned has, needs;
                bool may;
        } rows[] = {
                { API_SUBMIT, API_SUBMIT, true },
                { API_SUBMIT, API_READ, false },
                { API_SUBMIT | API_READ, API_READ, true },
                { API_SUBMIT | API_READ | API_OPERATE, API_ADMIN, false },
                { API_ADMIN, API_SUBMIT, true },
                { API_ADMIN, API_ADMIN, true },
                { 0, API_READ, false },
                { 0, 0, true },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (api_scopes_allow(rows[i].has, rows[i].needs) != rows[i].may)
                        fail_msg("%u for %u", rows[i].has, rows[i].needs);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_made_is_read_again),
                cmocka_unit_test(a_header_has_a_key_or_says_why_not),
                cmocka_unit_test(scopes_are_a_list_of_names),
                cmocka_unit_test(who_may_do_what),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
