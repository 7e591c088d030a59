/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which addresses are tried; connections to addresses of this machine; work that is abandoned. */
#include "core/net/dial.h"
#include "core/thread/work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* '4' and '6' are addresses of that family; what comes out are their places. */
static void test_families_take_turns(void **state)
{
        static const struct {
                const char *found, *order;
        } rows[] = {
                { "4", "0" },       { "6", "0" },       { "64", "01" },
                { "46", "01" },     { "664", "021" },   { "446", "021" },
                { "6644", "0213" }, { "444", "012" },   { "46666", "01234" },
                { "", "" },         { "4664", "0132" }, { "44444444444444444444", "0123456789:;<=>?" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct addrinfo found[24] = { 0 };
                const struct addrinfo *order[DIAL_MOST];
                const size_t count = strlen(rows[i].found);
                char text[DIAL_MOST + 1] = "";
                for (size_t k = 0; k < count; k++) {
                        found[k].ai_family = rows[i].found[k] == '4' ? AF_INET : AF_INET6;
                        found[k].ai_next = k + 1 < count ? &found[k + 1] : NULL;
                }
                const size_t got = dial_order(count ? found : NULL, order);
                for (size_t k = 0; k < got; k++)
                        text[k] = (char)('0' + (order[k] - found));
                assert_string_equal(text, rows[i].order);
        }
}

/* A socket of 127.0.0.1, listening or not; its port as text. */
static int bound(bool listens, char port[12])
{
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(at);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
        if (listens)
                assert_int_equal(listen(fd, 4), 0);
        getsockname(fd, (struct sockaddr *)&at, &size);
        snprintf(port, 12, "%d", ntohs(at.sin_port));
        return fd;
}

static void test_it_connects(void **state)
{
        struct dialled d;
        char port[12];
        const int fd = bound(true, port);
        (void)state;
        assert_int_equal(dial("127.0.0.1", port, 1000, -1, &d), 0);
        assert_string_equal(d.address, "127.0.0.1");
        assert_string_equal(d.addresses, "127.0.0.1");
        assert_true(d.fd >= 0);
        close(d.fd);
        assert_int_equal(dial_choose("127.0.0.1", port, 1000, -1, &d), 0);
        assert_int_equal(d.fd, -1);
        assert_string_equal(d.address, "127.0.0.1");
        close(fd);
}

static void test_it_says_why_not(void **state)
{
        struct dialled d;
        char port[12];
        const int fd = bound(false, port);
        (void)state;
        assert_int_equal(dial("127.0.0.1", port, 1000, -1, &d), -ECONNREFUSED);
        assert_string_equal(d.why, "Connection refused");
        assert_int_equal(d.fd, -1);
        assert_int_equal(dial("name with spaces", port, 1000, -1, &d), -EHOSTUNREACH);
        assert_non_null(strstr(d.why, "its name is not found"));
        close(fd);
}

static atomic_uint ran, told, forgotten;

static void work_run(void *arg)
{
        const int *gate = arg;
        char byte;
        if (gate)
                assert_int_equal(read(*gate, &byte, 1), 1);
        atomic_fetch_add(&ran, 1);
}

static void work_told(void *arg)
{
        (void)arg;
        atomic_fetch_add(&told, 1);
}

static void work_forgotten(void *arg)
{
        (void)arg;
        atomic_fetch_add(&forgotten, 1);
}

static const struct work_calls calls = { work_run, work_told, work_forgotten };

static void test_work_is_told(void **state)
{
        uv_loop_t loop;
        (void)state;
        uv_loop_init(&loop);
        for (int i = 0; i < 8; i++)
                assert_int_equal(work_start(NULL, &loop, &calls, NULL), 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(told, 8);
        assert_int_equal(forgotten, 0);
        assert_int_equal(uv_loop_close(&loop), 0);
}

/* The loop ends while it hangs. */
static void test_abandoned_work_holds_nobody(void **state)
{
        uv_loop_t loop;
        struct work *w;
        int gate[2];
        (void)state;
        told = forgotten = 0;
        assert_int_equal(pipe(gate), 0);
        uv_loop_init(&loop);
        assert_int_equal(work_start(&w, &loop, &calls, gate), 0);
        work_abandon(w, 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        assert_int_equal(forgotten, 0);
        assert_int_equal(write(gate[1], "x", 1), 1);
        while (forgotten == 0)
                sched_yield();
        assert_int_equal(told, 0);
        close(gate[0]);
        close(gate[1]);
}

/* Told to end, it does, and the loop waits for that; nothing is told. */
static void test_abandoned_work_may_end_in_its_grace(void **state)
{
        uv_loop_t loop;
        struct work *w;
        int gate[2];
        (void)state;
        told = forgotten = 0;
        assert_int_equal(pipe(gate), 0);
        uv_loop_init(&loop);
        assert_int_equal(work_start(&w, &loop, &calls, gate), 0);
        assert_int_equal(write(gate[1], "x", 1), 1);
        work_abandon(w, 60000);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        while (forgotten == 0)
                sched_yield();
        assert_int_equal(told, 0);
        close(gate[0]);
        close(gate[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_families_take_turns),
                cmocka_unit_test(test_it_connects),
                cmocka_unit_test(test_it_says_why_not),
                cmocka_unit_test(test_work_is_told),
                cmocka_unit_test(test_abandoned_work_holds_nobody),
                cmocka_unit_test(test_abandoned_work_may_end_in_its_grace),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
