/* SPDX-License-Identifier: Apache-2.0 */
/* Letters on their way from a broker into a store, both fakes, while libcrypto now and then makes no hash: a letter is filed under a key of its own and then acked,
 * or it is handed back. Never is one acked that is not filed, also when memory is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/text/digest.h"
#include "dlq/filing.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 4 }; /* three hashes each: its group, its key, and that of its task */

static struct {
        struct broker broker;
        struct store store;
        struct broker_listener listener;
        unsigned fails_from, fails_upto; /* these calls of digest_of fail; counted from 1 */
        unsigned hashes;
        unsigned count; /* of keys */
        unsigned char keys[LETTERS][DEAD_KEY_SIZE];
        bool filed[LETTERS + 1], acked[LETTERS + 1], back[LETTERS + 1]; /* by the number that is its tag and its body */
} filing_fake;

/* Not an assertion: those may fail while memory is short. A run that a signal ends is a bad one. */
static void filing_must(bool holds, const char *what)
{
        if (holds)
                return;
        fprintf(stderr, "%s\n", what);
        raise(SIGKILL);
}

/* ---- in place of the program's own ---- */

bool digest_of(const struct bytes parts[], size_t count, unsigned char out[DIGEST_SIZE])
{
        const unsigned call = ++filing_fake.hashes;
        memset(out, 0, DIGEST_SIZE);
        if (call >= filing_fake.fails_from && call <= filing_fake.fails_upto)
                return false;
        for (size_t i = 0; i < count; i++)
                for (size_t at = 0; at < parts[i].size; at++) {
                        unsigned char *to = &out[(i + at) % DIGEST_SIZE];
                        *to = (unsigned char)(*to * 31 + parts[i].data[at] + 1);
                }
        return true;
}

int broker_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                struct problem *why)
{
        (void)config, (void)why;
        filing_fake.listener = *listener;
        *out = &filing_fake.broker;
        return 0;
}

const struct broker_backend *broker_backend_of(const char *urls)
{
        (void)urls;
        return NULL;
}

void delivery_free(struct delivery *d)
{
        free(d);
}

/* ---- the broker and the store ---- */

static int filing_fake_consume(struct broker *b, const char *queue, unsigned prefetch)
{
        (void)b, (void)queue, (void)prefetch;
        return 0;
}

static void filing_fake_nothing(struct broker *b)
{
        (void)b;
}

static void filing_fake_ack(struct broker *b, struct delivery_tag tag)
{
        (void)b;
        filing_must(filing_fake.filed[tag.number], "a letter is acked that nobody filed");
        filing_fake.acked[tag.number] = true;
}

static void filing_fake_hand_back(struct broker *b, struct delivery_tag tag)
{
        (void)b;
        filing_must(!filing_fake.filed[tag.number], "a letter goes back that is filed");
        filing_fake.back[tag.number] = true;
}

static bool filing_fake_up(const struct store *s)
{
        (void)s;
        return true;
}

/* As a store does it: a key that is there already is the same letter once more. */
static void filing_fake_file(struct store *s, const struct dead_letter *l, store_done *done, void *arg)
{
        static const unsigned char none[DEAD_KEY_SIZE];
        enum store_result result = STORE_DONE;
        (void)s;
        filing_must(memcmp(l->key, none, DEAD_KEY_SIZE) != 0 && memcmp(l->same, none, DEAD_KEY_SIZE) != 0 && *l->group,
                    "a letter is filed without a key");
        for (unsigned i = 0; i < filing_fake.count; i++)
                if (memcmp(filing_fake.keys[i], l->key, DEAD_KEY_SIZE) == 0)
                        result = STORE_ALREADY;
        if (result == STORE_DONE) {
                memcpy(filing_fake.keys[filing_fake.count++], l->key, DEAD_KEY_SIZE);
                filing_fake.filed[l->body.data[0] - '0'] = true;
        }
        done(result, bytes_of(NULL, 0), NULL, arg);
}

static const struct broker_backend filing_broker_backend = { .consume = filing_fake_consume,
                                                             .cancel = filing_fake_nothing,
                                                             .ack = filing_fake_ack,
                                                             .hand_back = filing_fake_hand_back,
                                                             .close = filing_fake_nothing };
static const struct store_backend filing_store_backend = { .up = filing_fake_up };
static const struct store_dead filing_store_dead = { .file = filing_fake_file };

/* ---- */

static void filing_stopped(void *arg)
{
        (void)arg;
}

/* Of a task whose id is its number, too. A test's memory, not the engine's. */
static struct delivery *letter_numbered(unsigned number)
{
        static const char properties[] = "\x20\0"     /* headers alone */
                                         "\0\0\0\x14" /* their size */
                                         "\2id"
                                         "S\0\0\0\1"
                                         "0"
                                         "\4task"
                                         "S\0\0\0\1"
                                         "t";
        enum { SIZE = sizeof(properties) - 1, ID_AT = 14 };
        struct delivery *d = calloc(1, sizeof(*d) + SIZE + 1);
        unsigned char *at = (unsigned char *)(d + 1);
        memcpy(at, properties, SIZE);
        at[ID_AT] = at[SIZE] = (unsigned char)('0' + number);
        d->tag.number = number;
        d->queue = "scan.vision.dead";
        d->exchange = d->routing_key = "";
        d->properties = bytes_of(at, SIZE);
        d->body = bytes_of(at + SIZE, 1);
        return d;
}

/* Delivers one letter after another. Returns whether there was memory to begin. */
static bool letters_come(unsigned fails_from, unsigned fails_upto)
{
        uv_loop_t loop;
        struct problem why;
        struct filing *f = NULL;
        memset(&filing_fake, 0, sizeof(filing_fake));
        filing_fake.broker.backend = &filing_broker_backend;
        filing_fake.store.backend = &filing_store_backend;
        filing_fake.store.dead = &filing_store_dead;
        assert_int_equal(uv_loop_init(&loop), 0);
        const struct filing_config config = { .loop = &loop,
                                              .catalog = shipped(),
                                              .store = &filing_fake.store,
                                              .max_body = SIZE_MAX,
                                              .declare_queues = true,
                                              .stopped = filing_stopped };
        const bool opened = filing_open(&f, &config, &why) == 0;
        if (opened) {
                filing_fake.hashes = 0;
                filing_fake.fails_from = fails_from;
                filing_fake.fails_upto = fails_upto;
                filing_adjust(f);
                for (unsigned number = 1; number <= LETTERS; number++)
                        filing_fake.listener.deliveries(letter_numbered(number), filing_fake.listener.arg);
                filing_must(filing_counts(f).in_hand == 0, "a letter is neither filed nor handed back");
                filing_stop(f);
                filing_close(f);
        }
        while (uv_run(&loop, UV_RUN_ONCE) != 0)
                ;
        uv_loop_close(&loop);
        return opened;
}

static void a_letter_without_a_hash_is_handed_back(void **state)
{
        static const struct {
                const char *label;
                unsigned from, upto; /* hashes that fail, in the order in which they are asked for */
                const char *back;    /* the numbers of the letters that are handed back */
        } rows[] = {
                { "none fails", 0, 0, "" },       { "one group", 1, 1, "1" },   { "one key", 2, 2, "1" },
                { "one task's key", 3, 3, "1" },  { "a later one", 5, 5, "2" }, { "for a while", 2, 4, "123" },
                { "every one", 1, 1000, "1234" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if (!holds_unless_short(letters_come(rows[i].from, rows[i].upto)))
                        return;
                for (unsigned number = 1; number <= LETTERS; number++) {
                        const bool back = strchr(rows[i].back, (int)('0' + number)) != NULL;
                        filing_must(filing_fake.acked[number] != filing_fake.back[number], rows[i].label);
                        if (!holds_unless_short(filing_fake.back[number] == back))
                                return;
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_letter_without_a_hash_is_handed_back),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
