/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of brokers (an even first byte) and of Redis (an odd one): whatever is taken has a host and a port, and no reason quotes a password. */
#include "broker/amqp/connection/address.h"
#include "core/text/utf8.h"
#include "redis/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_reason(int rc, const struct problem *why)
{
        size_t step;
        must(rc == 1 && strcmp(why->code, "bad_url") == 0 && why->text[0]);
        for (const char *at = why->text; *at; at += step)
                must(utf8_next(at, &step));
}

static void read_brokers(const char *text)
{
        struct amqp_address_list list = { 0 };
        struct problem why = { 0 };
        const int rc = amqp_address_list_parse(&list, text, &why);
        if (rc != 0)
                check_reason(rc, &why);
        for (size_t i = 0; rc == 0 && i < list.count; i++) {
                const struct amqp_address *a = &list.items[i];
                must(a->host && *a->host && a->user && a->password && a->vhost && *a->vhost);
                must(a->port > 0 && a->port < 65536);
        }
        must(rc != 0 || list.count > 0);
        amqp_address_list_free(&list);
}

static void read_redis(const char *text)
{
        struct redis_address a = { 0 };
        struct problem why = { 0 };
        const int rc = redis_address_read(text, &a, &why);
        if (rc != 0)
                check_reason(rc, &why);
        else
                must(a.path ? *a.path && a.host_count == 0 : a.host_count > 0 && a.host_count <= REDIS_MOST_HOSTS);
        for (size_t i = 0; rc == 0 && i < a.host_count; i++)
                must(a.hosts[i].name && *a.hosts[i].name && a.hosts[i].port && *a.hosts[i].port);
        redis_address_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        char *text = strndup((const char *)data + 1, size - 1);
        must(text != NULL);
        if (data[0] % 2)
                read_redis(text);
        else
                read_brokers(text);
        free(text);
        return 0;
}
