/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common.h"

#include <amqp_tcp_socket.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

void die(const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        fprintf(stderr, "%s: ", program_invocation_short_name);
        vfprintf(stderr, format, ap);
        fputc('\n', stderr);
        va_end(ap);
        exit(1);
}

uint64_t now_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t us_of(struct timeval t)
{
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

uint64_t cpu_us(void)
{
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        return us_of(usage.ru_utime) + us_of(usage.ru_stime);
}

long number_of(const char *text, long least)
{
        char *end;
        const long n = strtol(text, &end, 10);
        if (end == text || *end || n < least)
                die("\"%s\" is no number of at least %ld", text, least);
        return n;
}

static int compare(const void *a, const void *b)
{
        const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return x < y ? -1 : x > y;
}

void sort_values(uint64_t *values, size_t count)
{
        qsort(values, count, sizeof(*values), compare);
}

uint64_t percentile_of(const uint64_t *sorted, size_t count, double percent)
{
        if (count == 0)
                return 0;
        const size_t at = (size_t)((double)count * percent / 100);
        return sorted[at < count ? at : count - 1];
}

/* ---- rabbitmq-c, used plainly ---- */

void check_status(int status, const char *doing)
{
        if (status < 0)
                die("%s: %s", doing, amqp_error_string2(status));
}

void check_reply(amqp_connection_state_t conn, const char *doing)
{
        const amqp_rpc_reply_t reply = amqp_get_rpc_reply(conn);
        if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
                check_status(reply.library_error, doing);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL)
                die("%s: the broker closed the channel or connection", doing);
}

amqp_connection_state_t plain_connect(const char *url)
{
        struct amqp_connection_info info;
        char *text = strdup(url);
        check_status(text ? amqp_parse_url(text, &info) : AMQP_STATUS_NO_MEMORY, "the broker's URL");
        amqp_connection_state_t conn = amqp_new_connection();
        amqp_socket_t *socket = amqp_tcp_socket_new(conn);
        if (!socket)
                die("out of memory");
        check_status(amqp_socket_open(socket, info.host, info.port), "connect");
        const amqp_rpc_reply_t reply =
                amqp_login(conn, info.vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, info.user, info.password);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL)
                die("the broker refused the login");
        amqp_channel_open(conn, 1);
        check_reply(conn, "channel.open");
        free(text);
        return conn;
}

void plain_close(amqp_connection_state_t conn)
{
        amqp_connection_close(conn, AMQP_REPLY_SUCCESS);
        amqp_destroy_connection(conn);
}

void plain_consume(amqp_connection_state_t conn, const char *queue, unsigned prefetch)
{
        amqp_basic_qos(conn, 1, 0, (uint16_t)prefetch, 0);
        check_reply(conn, "basic.qos");
        amqp_basic_consume(conn, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
        check_reply(conn, "basic.consume");
}
