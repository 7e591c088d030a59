/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topology.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The level exchanges and queues of kombu's native delayed delivery: level n holds a message for 2^n seconds when
 * binary digit n of its countdown is 1, and passes it on at once when it is 0. The digits are the first 28 words of the
 * routing key, highest first. Source: kombu 5.6 and 5.7, kombu/transport/native_delayed_delivery.py. */
#define LEVELS         28
#define DELIVERY       "celery_delayed_delivery"
#define DEAD_LETTERS   "chard.dead"
#define ROWS_PER_QUEUE 9
#define ROWS_FIXED     (4 * LEVELS + 2)

/* Rows being written. When memory runs out `failed` is set and later additions do nothing. */
struct table {
        struct topology_row *rows;
        size_t count, capacity;
        bool failed;
};

/* Text made for one argument of add(); freed there. */
__attribute__((format(printf, 1, 2))) static char *topology_text(const char *format, ...)
{
        char *made = NULL;
        va_list ap;
        va_start(ap, format);
        if (vasprintf(&made, format, ap) < 0)
                made = NULL;
        va_end(ap);
        return made;
}

static void free_row(struct topology_row *row)
{
        free(row->name);
        free(row->source);
        free(row->routing_key);
        free(row->dead_letter_exchange);
}

/* Add a row, taking its texts. */
static void topology_add(struct table *t, struct topology_row row)
{
        const bool complete = row.name && (row.kind != TOPOLOGY_BINDING || (row.source && row.routing_key)) &&
                              (!row.overflow_reject || row.dead_letter_exchange);
        if (!complete || t->count == t->capacity)
                t->failed = true;
        if (t->failed)
                free_row(&row);
        else
                t->rows[t->count++] = row;
}

static void topology_add_exchange(struct table *t, char *takes_name)
{
        topology_add(t, (struct topology_row){ .kind = TOPOLOGY_EXCHANGE, .name = takes_name });
}

static void bind_queue(struct table *t, const char *queue, char *takes_source, char *takes_key)
{
        topology_add(t, (struct topology_row){ .kind = TOPOLOGY_BINDING,
                                               .name = strdup(queue),
                                               .source = takes_source,
                                               .routing_key = takes_key });
}

static void bind_exchange(struct table *t, char *takes_name, char *takes_source, char *takes_key)
{
        topology_add(t, (struct topology_row){ .kind = TOPOLOGY_BINDING,
                                               .to_exchange = true,
                                               .name = takes_name,
                                               .source = takes_source,
                                               .routing_key = takes_key });
}

/* The exchange of a queue's domain: "order.commands" for "order.pay". */
static char *domain_exchange(const char *queue)
{
        return topology_text("%.*s.commands", (int)strcspn(queue, "."), queue);
}

static bool has_exchange(const struct table *t, const char *name)
{
        for (size_t i = 0; i < t->count; i++)
                if (t->rows[i].kind == TOPOLOGY_EXCHANGE && strcmp(t->rows[i].name, name) == 0)
                        return true;
        return false;
}

static void add_domain(struct table *t, const char *queue)
{
        char *name = domain_exchange(queue);
        if (name && has_exchange(t, name))
                free(name);
        else
                topology_add_exchange(t, name);
}

/* A task queue, its own exchange, and where both get their messages from. The binding `#.Q` beside `Q` is for what native
 * delayed delivery brings: it keeps its digits in front of the key. */
static void add_task_queue(struct table *t, const char *queue)
{
        topology_add_exchange(t, strdup(queue));
        topology_add(t, (struct topology_row){ .kind = TOPOLOGY_QUEUE, .name = strdup(queue) });
        bind_queue(t, queue, strdup(queue), strdup(queue));
        bind_queue(t, queue, strdup(queue), topology_text("#.%s", queue));
        bind_queue(t, queue, domain_exchange(queue), strdup(queue));
}

static void add_dead_queue(struct table *t, const char *queue)
{
        char *name = topology_text("%s.dead", queue);
        topology_add(t, (struct topology_row){
                                .kind = TOPOLOGY_QUEUE, .name = topology_text("%s.dead", queue), .never_drop = true });
        if (name)
                bind_queue(t, name, strdup(DEAD_LETTERS), strdup(queue));
        else
                t->failed = true;
        free(name);
}

static char *level_name(int level)
{
        return level < 0 ? strdup(DELIVERY) : topology_text("celery_delayed_%d", level);
}

/* The key that looks at one level's digit: a word for each higher level, the digit, anything. */
static char *level_key(int level, char digit)
{
        char key[2 * LEVELS + 4];
        size_t at = 0;
        for (int above = LEVELS - 1; above > level; above--) {
                key[at++] = '*';
                key[at++] = '.';
        }
        key[at++] = digit;
        return memcpy(key + at, ".#", 3) ? strdup(key) : NULL;
}

static void add_level(struct table *t, int level)
{
        topology_add_exchange(t, level_name(level));
        topology_add(t, (struct topology_row){ .kind = TOPOLOGY_QUEUE,
                                               .name = level_name(level),
                                               .ttl_ms = (1L << level) * 1000,
                                               .dead_letter_exchange = level_name(level - 1),
                                               .overflow_reject = true });
        char *queue = level_name(level);
        if (queue)
                bind_queue(t, queue, level_name(level), level_key(level, '1'));
        else
                t->failed = true;
        free(queue);
}

static void add_delayed_delivery(struct table *t)
{
        for (int level = LEVELS - 1; level >= 0; level--)
                add_level(t, level);
        topology_add_exchange(t, strdup(DELIVERY));
        for (int level = LEVELS - 1; level >= 0; level--)
                bind_exchange(t, level_name(level - 1), level_name(level), level_key(level, '0'));
}

int topology_build(struct topology *out, const char *const queues[], size_t count, bool native_delay)
{
        struct table t = { .capacity = ROWS_FIXED + ROWS_PER_QUEUE * count };
        t.rows = calloc(t.capacity, sizeof(*t.rows));
        t.failed = t.rows == NULL;
        for (size_t i = 0; i < count; i++)
                add_domain(&t, queues[i]);
        for (size_t i = 0; i < count; i++)
                add_task_queue(&t, queues[i]);
        topology_add_exchange(&t, strdup(DEAD_LETTERS));
        for (size_t i = 0; i < count; i++)
                add_dead_queue(&t, queues[i]);
        if (native_delay)
                add_delayed_delivery(&t);
        for (size_t i = 0; native_delay && i < count; i++)
                bind_exchange(&t, strdup(queues[i]), strdup(DELIVERY), topology_text("#.%s", queues[i]));

        *out = (struct topology){ .rows = t.rows, .count = t.count };
        if (!t.failed)
                return 0;
        topology_free(out);
        return -ENOMEM;
}

void topology_free(struct topology *t)
{
        for (size_t i = 0; i < t->count; i++)
                free_row(&t->rows[i]);
        free(t->rows);
        *t = (struct topology){ 0 };
}

static bool is_one_of(const char *name, const char *const queues[], size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(name, queues[i]) == 0)
                        return true;
        return false;
}

void topology_leave(struct topology *t, const char *const queues[], size_t count)
{
        size_t kept = 0;
        for (size_t i = 0; i < t->count; i++) {
                if (is_one_of(t->rows[i].name, queues, count))
                        free_row(&t->rows[i]);
                else
                        t->rows[kept++] = t->rows[i];
        }
        t->count = kept;
}

static void print_queue(const struct topology_row *row, FILE *out)
{
        fprintf(out, "queue     %-28s quorum", row->name);
        if (row->ttl_ms)
                fprintf(out, ", ttl %ld s, then %s", row->ttl_ms / 1000, row->dead_letter_exchange);
        if (row->never_drop)
                fputs(", no delivery limit", out);
        fputc('\n', out);
}

void topology_print(const struct topology *t, FILE *out)
{
        for (size_t i = 0; i < t->count; i++) {
                const struct topology_row *row = &t->rows[i];
                switch (row->kind) {
                case TOPOLOGY_EXCHANGE: fprintf(out, "exchange  %-28s topic\n", row->name); break;
                case TOPOLOGY_QUEUE: print_queue(row, out); break;
                case TOPOLOGY_BINDING:
                        fprintf(out, "binding   %-28s from %s, key %s%s\n", row->name, row->source, row->routing_key,
                                row->to_exchange ? ", to the exchange" : "");
                        break;
                }
        }
}
