/* SPDX-License-Identifier: Apache-2.0 */
#include "core/id.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IDS = 50000, THREADS = 4 };

static void an_id_is_a_random_uuid(void **state)
{
        (void)state;
        static const char shape[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
        for (int round = 0; round < 2000; round++) {
                char id[ID_TEXT_SIZE + 1];
                id[ID_TEXT_SIZE] = '#';
                id_new(id);
                assert_int_equal(id[ID_TEXT_SIZE], '#');
                assert_int_equal(strlen(id), strlen(shape));
                for (size_t i = 0; shape[i]; i++) {
                        const char *allowed = shape[i] == 'x' ? "0123456789abcdef" : shape[i] == 'y' ? "89ab" : NULL;
                        if (allowed ? !strchr(allowed, id[i]) : id[i] != shape[i])
                                fail_msg("%s at %zu", id, i);
                }
        }
}

/* What RFC 9562 leaves free: every digit turns up at every free place. */
static void every_free_bit_is_random(void **state)
{
        (void)state;
        unsigned ones[128] = { 0 };
        enum { ROUNDS = 4000 };
        for (int round = 0; round < ROUNDS; round++) {
                char id[ID_TEXT_SIZE];
                id_new(id);
                unsigned bit = 0;
                for (const char *at = id; *at; at++) {
                        if (*at == '-')
                                continue;
                        const int digit = *at <= '9' ? *at - '0' : *at - 'a' + 10;
                        for (int i = 3; i >= 0; i--)
                                ones[bit++] += (unsigned)digit >> i & 1;
                }
        }
        for (unsigned bit = 0; bit < 128; bit++) {
                const int fixed = (bit >= 48 && bit < 52) || bit == 64 || bit == 65;
                if (!fixed) /* eight standard deviations */
                        assert_in_range(ones[bit], ROUNDS / 2 - 253, ROUNDS / 2 + 253);
        }
}

static int compare(const void *a, const void *b)
{
        return memcmp(a, b, ID_TEXT_SIZE);
}

static void *make_ids(void *arg)
{
        char(*ids)[ID_TEXT_SIZE] = arg;
        for (int i = 0; i < IDS / THREADS; i++)
                id_new(ids[i]);
        return NULL;
}

static void no_thread_makes_anothers_ids(void **state)
{
        (void)state;
        char(*ids)[ID_TEXT_SIZE] = calloc(IDS, ID_TEXT_SIZE);
        pthread_t threads[THREADS];
        assert_non_null(ids);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * (IDS / THREADS)), 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        qsort(ids, IDS, ID_TEXT_SIZE, compare);
        for (size_t i = 1; i < IDS; i++)
                assert_true(memcmp(ids[i - 1], ids[i], ID_TEXT_SIZE) != 0);
        free(ids);
}

static int compare_words(const void *a, const void *b)
{
        return memcmp(a, b, sizeof(uint64_t));
}

/* More than the buffered words, several times over. */
static void random_bits_do_not_repeat(void **state)
{
        (void)state;
        static uint64_t words[1000];
        const size_t count = sizeof(words) / sizeof(*words);
        for (size_t i = 0; i < count; i++)
                words[i] = random_bits();
        qsort(words, count, sizeof(*words), compare_words);
        for (size_t i = 1; i < count; i++)
                assert_true(words[i - 1] != words[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_id_is_a_random_uuid),
                cmocka_unit_test(every_free_bit_is_random),
                cmocka_unit_test(no_thread_makes_anothers_ids),
                cmocka_unit_test(random_bits_do_not_repeat),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
