/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that hang, as a look-up of a name does whose servers are silent: however many there are, they hold nobody else up, neither other work nor a webhook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/thread/work.h"
#include "duties/webhook.h"
#include "tests/unit/short_memory.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANGING = 12 /* three times libuv's pool */, PATIENCE_MS = 20000 };

static struct {
        uv_loop_t loop;
        int gate[2]; /* its writing end is closed to let all go */
        struct work *hanging[HANGING];
        unsigned begun, ended;
        bool answered;
} stuck;

static void stuck_hang(void *arg)
{
        struct pollfd gate = { .fd = stuck.gate[0], .events = POLLIN };
        (void)arg;
        poll(&gate, 1, PATIENCE_MS);
}

static void stuck_end(void *arg)
{
        (void)arg;
        stuck.ended++;
}

static void stuck_answered(void *arg)
{
        (void)arg;
        stuck.answered = true;
        uv_stop(&stuck.loop);
}

static void stuck_pass(void *arg)
{
        (void)arg;
}

static bool stuck_begin(void)
{
        static const struct work_calls calls = { stuck_hang, stuck_end, NULL };
        memset(&stuck, 0, sizeof(stuck));
        assert_int_equal(uv_loop_init(&stuck.loop), 0);
        assert_int_equal(pipe(stuck.gate), 0);
        while (stuck.begun < HANGING && work_start(NULL, &stuck.loop, &calls, NULL) == 0)
                stuck.begun++;
        return stuck.begun == HANGING;
}

/* Let all go, so that nothing is left of them. */
static void stuck_finish(void)
{
        close(stuck.gate[1]);
        while (uv_run(&stuck.loop, UV_RUN_ONCE) != 0)
                ;
        close(stuck.gate[0]);
        assert_int_equal(stuck.ended, stuck.begun);
        uv_loop_close(&stuck.loop);
}

static void other_work_goes_on(void **state)
{
        static const struct work_calls calls = { stuck_pass, stuck_answered, NULL };
        (void)state;
        bool possible = stuck_begin() && work_start(NULL, &stuck.loop, &calls, NULL) == 0;
        if (possible)
                uv_run(&stuck.loop, UV_RUN_DEFAULT);
        const bool before = stuck.answered && stuck.ended == 0;
        stuck_finish();
        holds_unless_short(possible && before);
}

/* A chat room that takes one message. */
static void *room_main(void *arg)
{
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        char text[4096];
        const int listener = *(int *)arg, fd = accept(listener, NULL, NULL);
        if (fd >= 0 && recv(fd, text, sizeof(text), 0) > 0)
                send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
        if (fd >= 0)
                close(fd);
        return NULL;
}

static char *room_message(void)
{
        char *body = malloc(sizeof("{}"));
        memcpy(body, "{}", sizeof("{}"));
        return body;
}

static void room_told(const struct webhook_result *result, void *arg)
{
        *(bool *)arg = result->ok;
        stuck_answered(NULL);
}

static void a_webhook_goes_on(void **state)
{
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(at);
        char url[64];
        pthread_t room;
        bool told = false;
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        (void)state;
        assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
        assert_int_equal(listen(listener, 4), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
        assert_int_equal(pthread_create(&room, NULL, room_main, &listener), 0);
        snprintf(url, sizeof(url), "http://localhost:%d/hook", ntohs(at.sin_port)); /* a name, which is looked up */
        unsetenv("http_proxy");
        unsetenv("all_proxy");
        webhook_setup();
        const bool possible = stuck_begin() && webhook_send(&stuck.loop, url, room_message(), room_told, &told) == 0;
        if (possible)
                uv_run(&stuck.loop, UV_RUN_DEFAULT);
        const bool before = told && stuck.ended == 0;
        shutdown(listener, SHUT_RDWR); /* ends an accept in vain */
        pthread_join(room, NULL);
        close(listener);
        stuck_finish();
        holds_unless_short(possible && before);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(other_work_goes_on),
                cmocka_unit_test(a_webhook_goes_on),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
