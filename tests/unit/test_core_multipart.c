/* SPDX-License-Identifier: Apache-2.0 */
/* Forms with files: their parts; and those that are cut short, or none. */
#include "core/http/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TYPE        "multipart/form-data; boundary=b"
#define NAMED(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

/* "name[type]=content;", a file's name in front of its brackets as "!"; or what the complaint says. */
static const struct {
        const char *type, *body, *shown;
} form_rows[] = {
        { TYPE, "--b\r\n" NAMED("a") "\r\n1\r\n--b--", "a[]=1;" },
        { TYPE, "--b\r\n" NAMED("a") "\r\n1\r\n--b\r\n" NAMED("c") "Content-Type: image/png\r\n\r\n\r\n--b--\r\nmore",
          "a[]=1;c[image/png]=;" },
        { TYPE,
          "--b\r\nContent-Disposition: form-data; name=\"p\"; filename=\"x;y.png\"\r\nContent-Type: image/png \r\n\r\nq\r\n--b--",
          "p![image/png]=q;" },
        { TYPE, "--b\r\ncontent-disposition:form-data;filename*=utf-8''x;NAME=p\r\n\r\nq\r\n--b--", "p![]=q;" },
        { TYPE, "--b \t\r\n" NAMED("a") "\r\n\r\n--bc\r\n--b-\r\n--b--", "a[]=\r\n--bc\r\n--b-;" },
        { TYPE, "before\r\n--b\r\n" NAMED("a") "\r\n1\r\n--b--", "a[]=1;" },
        { TYPE, "--bb\r\n--b\r\n" NAMED("a") "\r\n1\r\n--b--", "a[]=1;" },
        { "multipart/form-data;charset=x; BOUNDARY=\"b c\"", "--b c\r\n" NAMED("a") "\r\n1\r\n--b c--", "a[]=1;" },
        { TYPE, "--b\r\nContent-Transfer-Encoding: binary\r\n" NAMED("a") "\r\n1\r\n--b--", "a[]=1;" },
        { TYPE, "--b\r\nContent-Transfer-Encoding: 8bit\r\n" NAMED("a") "\r\n1\r\n--b--", "a[]=1;" },
        { TYPE, "--b\r\nContent-Transfer-Encoding: base64\r\n" NAMED("a") "\r\nMQ==\r\n--b--", "encoded" },
        { TYPE, "--b\r\n" NAMED("a") "\r\n1\r\n--b\r\n", "cut short" },
        { TYPE, "--b\r\n" NAMED("a") "\r\n1\r\n", "cut short" },
        { TYPE, "--b\r\n", "cut short" },
        { TYPE, "--b\r\n" NAMED("a") "1\r\n--b--", "headers do not end" },
        { TYPE, "--b\r\n\r\n1\r\n--b--", "without a name" },
        { TYPE, "--b\r\n" NAMED("") "\r\n1\r\n--b--", "without a name" },
        { TYPE, "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--", "without a name" },
        { TYPE, "--b--", "no parts" },
        { TYPE, "", "does not have the boundary" },
        { TYPE, "--c\r\n" NAMED("a") "\r\n1\r\n--c--", "does not have the boundary" },
        { TYPE, "{\"a\": 1}", "does not have the boundary" },
        { "multipart/form-data", "--b\r\n" NAMED("a") "\r\n1\r\n--b--", "must name a boundary" },
        { "multipart/form-data; boundary=", "--\r\n" NAMED("a") "\r\n1\r\n----", "must name a boundary" },
        { "multipart/form-data; boundary=\"\"", "--\r\n" NAMED("a") "\r\n1\r\n----", "must name a boundary" },
        { "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x", "",
          "must name a boundary" },
};

static void show_part(const struct multipart_part *p, struct buffer *out)
{
        buffer_add(out, p->name.data, p->name.size);
        buffer_add_string(out, p->file ? "![" : "[");
        buffer_add(out, p->type.data, p->type.size);
        buffer_add_string(out, "]=");
        buffer_add(out, p->content.data, p->content.size);
        buffer_add_string(out, ";");
}

static void forms_are_taken_apart(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(form_rows) / sizeof(form_rows[0]); i++) {
                struct multipart form;
                struct multipart_part part;
                struct buffer shown = { 0 };
                struct problem why = { 0 };
                const size_t size = strlen(form_rows[i].body);
                char *body = malloc(size ? size : 1);
                assert_non_null(body);
                memcpy(body, form_rows[i].body, size);
                int code = multipart_begin(&form, form_rows[i].type, bytes_of(body, size), &why);
                while (code == 0 && (code = multipart_next(&form, &part, &why)) == 0)
                        show_part(&part, &shown);
                buffer_add_byte(&shown, '\0');
                if (!shown.failed && (code == MULTIPART_END ? strcmp((char *)shown.data, form_rows[i].shown) != 0
                                                            : strcmp(why.code, "bad_form") != 0 ||
                                                                      !strstr(why.text, form_rows[i].shown)))
                        fail_msg("%zu: %d, %s, %s", i, code, (char *)shown.data, why.text);
                buffer_free(&shown);
                free(body);
        }
}

static void headers_of_a_part_have_an_end(void **state)
{
        struct multipart form;
        struct multipart_part part;
        struct problem why = { 0 };
        char body[8192];
        (void)state;
        int size = snprintf(body, sizeof(body), "--b\r\n%s%s", NAMED("a"), "X: ");
        memset(body + size, 'x', 5000);
        size += 5000;
        size += snprintf(body + size, sizeof(body) - (size_t)size, "\r\n\r\n1\r\n--b--");
        assert_int_equal(multipart_begin(&form, TYPE, bytes_of(body, (size_t)size), &why), 0);
        assert_int_equal(multipart_next(&form, &part, &why), 1);
        assert_string_equal(why.code, "bad_form");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(forms_are_taken_apart),
                cmocka_unit_test(headers_of_a_part_have_an_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
