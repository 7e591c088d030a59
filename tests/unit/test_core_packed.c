/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are kept by gzip, as scripts/embed writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/text/packed.h"
#include "tasks/waste/waste.h"

static void each_is_as_it_says(void **state)
{
        (void)state;
        for (const struct packed_file *f = embedded_rules; f->name; f++) {
                struct buffer out = { 0 };
                buffer_add_string(&out, "> ");
                assert_true(packed_read(f, &out));
                assert_int_equal(out.size, f->size + 2);
                assert_memory_equal(out.data, "> {", 3);
                assert_true(f->packed_size < f->size);
                buffer_free(&out);
        }
}

/* What is cut, damaged, or not of the size it should have, is not taken, and nothing of it. */
static void what_is_broken_gives_nothing(void **state)
{
        unsigned char damaged[64];
        const struct packed_file *f = &embedded_rules[0];
        (void)state;
        memcpy(damaged, f->packed, sizeof(damaged));
        damaged[0] ^= 1;
        const struct packed_file rows[] = {
                { "short", f->packed, f->packed_size / 2, f->size },
                { "none", f->packed, 0, f->size },
                { "damaged", damaged, sizeof(damaged), f->size },
                { "smaller", f->packed, f->packed_size, f->size - 1 },
                { "larger", f->packed, f->packed_size, f->size + 1 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer out = { 0 };
                if (packed_read(&rows[i], &out) || out.size)
                        fail_msg("%s", rows[i].name);
                buffer_free(&out);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_is_as_it_says),
                cmocka_unit_test(what_is_broken_gives_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
