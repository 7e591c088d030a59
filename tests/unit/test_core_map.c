/* SPDX-License-Identifier: Apache-2.0 */
#include "core/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 400 };

/* The simple model: value i stands under keys[i], or NULL does. */
struct test_model {
        char keys[KEYS][24];
        int *values[KEYS];
        size_t count;
        int things[KEYS * 2];
};

static uint64_t next(uint64_t *random)
{
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        return *random;
}

static struct map *opened(void)
{
        struct map *m;
        assert_int_equal(map_new(&m), 0);
        return m;
}

static void an_empty_map_has_nothing(void **state)
{
        (void)state;
        struct map *m = opened();
        assert_null(map_get(m, "a"));
        assert_null(map_get(m, ""));
        assert_null(map_take(m, "a"));
        assert_int_equal(map_count(m), 0);
        map_free(m);
        map_free(NULL);
}

static void a_value_is_found_replaced_and_taken(void **state)
{
        (void)state;
        struct map *m = opened();
        int one, two;
        char key[] = "key", same[] = "key";
        assert_int_equal(map_put(m, key, &one), 0);
        assert_ptr_equal(map_get(m, same), &one);
        assert_null(map_get(m, "ke"));
        assert_null(map_get(m, "key2"));
        assert_int_equal(map_put(m, same, &two), 0);
        assert_int_equal(map_count(m), 1);
        memset(key, 'x', sizeof(key) - 1); /* the replaced thing's key may go with it */
        assert_ptr_equal(map_get(m, "key"), &two);
        assert_ptr_equal(map_take(m, "key"), &two);
        assert_null(map_take(m, "key"));
        assert_int_equal(map_count(m), 0);
        map_free(m);
}

static void the_empty_key_is_a_key(void **state)
{
        (void)state;
        struct map *m = opened();
        int thing;
        assert_int_equal(map_put(m, "", &thing), 0);
        assert_ptr_equal(map_get(m, ""), &thing);
        assert_ptr_equal(map_take(m, ""), &thing);
        map_free(m);
}

static void count_one(void *value, void *arg)
{
        (void)value;
        ++*(size_t *)arg;
}

static void agree(const struct map *m, const struct test_model *model)
{
        size_t seen = 0;
        assert_int_equal(map_count(m), model->count);
        for (size_t i = 0; i < KEYS; i++)
                if (map_get(m, model->keys[i]) != model->values[i])
                        fail_msg("key %s", model->keys[i]);
        map_each(m, count_one, &seen);
        assert_int_equal(seen, model->count);
}

static void step(struct map *m, struct test_model *model, uint64_t random, unsigned put_percent)
{
        const size_t i = random % KEYS;
        int *thing = &model->things[(random >> 16) % (KEYS * 2)];
        if (random >> 40 & 1) {
                assert_ptr_equal(map_get(m, model->keys[i]), model->values[i]);
        } else if ((random >> 41) % 100 < put_percent) {
                assert_int_equal(map_put(m, model->keys[i], thing), 0);
                model->count += model->values[i] == NULL;
                model->values[i] = thing;
        } else {
                assert_ptr_equal(map_take(m, model->keys[i]), model->values[i]);
                model->count -= model->values[i] != NULL;
                model->values[i] = NULL;
        }
}

/* Each map has a seed of its own, so many maps of a few dozen keys in 64 places see chains that wrap around
 * the end of the table, and gaps closed across it. */
static void random_operations_agree_with_the_model(void **state)
{
        (void)state;
        struct test_model *model = calloc(1, sizeof(*model));
        uint64_t random = 2463534242ULL;
        assert_non_null(model);
        for (size_t i = 0; i < KEYS; i++)
                snprintf(model->keys[i], sizeof(model->keys[i]), "task-%zu", i * 7919);
        for (int round = 0; round < 300; round++) {
                struct map *m = opened();
                memset(model->values, 0, sizeof(model->values));
                model->count = 0;
                for (int i = 0; i < 1500; i++) {
                        step(m, model, next(&random), round % 3 == 0 ? 80 : 7);
                        if (i % 100 == 0)
                                agree(m, model);
                }
                agree(m, model);
                map_free(m);
        }
        free(model);
}

/* Fill to just below growing, then take all out in another order, looking at all that is left each time. */
static void taking_out_never_hides_another(void **state)
{
        (void)state;
        enum { FULL = 32 };
        static char keys[FULL][24];
        for (unsigned round = 0; round < 500; round++) {
                struct map *m = opened();
                for (unsigned i = 0; i < FULL; i++) {
                        snprintf(keys[i], sizeof(keys[i]), "%u/%u", round, i);
                        assert_int_equal(map_put(m, keys[i], keys[i]), 0);
                }
                for (unsigned taken = 0; taken < FULL; taken++) {
                        assert_ptr_equal(map_take(m, keys[taken * 13 % FULL]), keys[taken * 13 % FULL]);
                        for (unsigned i = 0; i < FULL; i++)
                                assert_ptr_equal(map_get(m, keys[i * 13 % FULL]),
                                                 i <= taken ? NULL : keys[i * 13 % FULL]);
                }
                map_free(m);
        }
}

static void it_grows_to_what_a_worker_holds(void **state)
{
        (void)state;
        enum { MANY = 100000 };
        char(*keys)[16] = calloc(MANY, sizeof(*keys));
        struct map *m = opened();
        assert_non_null(keys);
        for (unsigned i = 0; i < MANY; i++) {
                snprintf(keys[i], sizeof(keys[i]), "%u", i);
                assert_int_equal(map_put(m, keys[i], keys[i]), 0);
        }
        assert_int_equal(map_count(m), MANY);
        for (unsigned i = 0; i < MANY; i++)
                assert_ptr_equal(map_take(m, keys[i]), keys[i]);
        assert_int_equal(map_count(m), 0);
        map_free(m);
        free(keys);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_map_has_nothing),
                cmocka_unit_test(a_value_is_found_replaced_and_taken),
                cmocka_unit_test(the_empty_key_is_a_key),
                cmocka_unit_test(random_operations_agree_with_the_model),
                cmocka_unit_test(taking_out_never_hides_another),
                cmocka_unit_test(it_grows_to_what_a_worker_holds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
