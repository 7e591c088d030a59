/* SPDX-License-Identifier: Apache-2.0 */
/* A secret may come while other threads log: each line hides what was a secret before it, and no thread sees half a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 3, LINES = 300, SECRETS = 100 };

static void *speak(void *arg)
{
        for (int i = 0; i < LINES; i++)
                log_line(LOG_INFO, "test", "%s says hunter2hunter2 and secret-%d-%d", (const char *)arg, i % SECRETS,
                         7);
        return NULL;
}

static void secrets_come_while_others_log(void **state)
{
        (void)state;
        static char names[THREADS][16];
        pthread_t threads[THREADS];
        char text[1 << 16];
        const int output = open("/tmp", O_TMPFILE | O_RDWR, 0600), before = dup(STDERR_FILENO);
        assert_true(output >= 0 && before >= 0);
        dup2(output, STDERR_FILENO);
        log_setup(LOG_INFO, false);
        log_hide("hunter2hunter2");
        for (int i = 0; i < THREADS; i++) {
                snprintf(names[i], sizeof(names[i]), "t%d", i);
                assert_int_equal(pthread_create(&threads[i], NULL, speak, names[i]), 0);
        }
        for (int i = 0; i < SECRETS; i++) {
                char secret[32];
                snprintf(secret, sizeof(secret), "secret-%d-%d", i, 7);
                log_hide(secret);
        }
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        const off_t end = lseek(output, 0, SEEK_END);
        log_line(LOG_INFO, "test", "secret-42-7 after all");
        dup2(before, STDERR_FILENO);
        assert_true(end > 0);
        lseek(output, 0, SEEK_SET);
        for (ssize_t size; (size = read(output, text, sizeof(text) - 1)) > 0;) {
                text[size] = '\0';
                assert_null(strstr(text, "hunter2hunter2"));
        }
        lseek(output, end, SEEK_SET);
        text[read(output, text, sizeof(text) - 1)] = '\0';
        assert_non_null(strstr(text, "*** after all"));
        close(output);
        close(before);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(secrets_come_while_others_log) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
