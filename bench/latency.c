/* SPDX-License-Identifier: Apache-2.0 */
/* How long messages take from enqueue to ack (B5), and how long a worker takes from exec to its first message (B6).
 *
 * It starts the worker, whose connections to the broker run through this program: so it sees, on one clock, when each
 * message was published (on a connection of its own), when the broker delivered it and when the worker acked it.
 *
 *     latency --url URL --count N --task NAME [--queue Q] MODE [--skip N] -- COMMAND ARGUMENT…
 *
 * MODE: --one          the next message when the last one is acked
 *       --rate R       R messages a second, whatever happens; times count from when each was due to be sent
 *       --window W     as fast as it goes with W messages not yet acked: finds the rate that can be kept up
 *       --waiting      all are in the queue before the worker starts
 * "{url}" in the command is the address that it must use. The first --skip messages go one by one and don't count.
 * Prints one JSON object, times in microseconds. The worker is ended with SIGTERM. */
#include "bench/common.h"
#include "bench/latency.h"
#include "bench/messages.h"

#include <amqp_framing.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum latency_mode { ONE, RATE, WINDOW, WAITING };

struct latency_plan {
        const char *url;
        struct recipe recipe;
        unsigned long count, skip, window, rate;
        enum latency_mode mode;
        char **command;
        struct times times;
        amqp_connection_state_t conn;
        uint64_t exec_ns;
        pid_t worker;
};

static void set_mode(struct latency_plan *p, enum latency_mode mode, unsigned long *number)
{
        p->mode = mode;
        if (number)
                *number = (unsigned long)number_of(optarg, 1);
}

static void read_plan(struct latency_plan *p, int argc, char **argv)
{
        static const struct option options[] = {
                { "url", 1, NULL, 'u' },    { "count", 1, NULL, 'n' }, { "task", 1, NULL, 't' },
                { "queue", 1, NULL, 'q' },  { "skip", 1, NULL, 's' },  { "one", 0, NULL, '1' },
                { "window", 1, NULL, 'w' }, { "rate", 1, NULL, 'r' },  { "waiting", 0, NULL, 'a' },
                { NULL, 0, NULL, 0 },
        };
        for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
                switch (c) {
                case 'u': p->url = optarg; break;
                case 'n': p->count = (unsigned long)number_of(optarg, 1); break;
                case 't': p->recipe.tasks = optarg; break;
                case 'q': p->recipe.queue = optarg; break;
                case 's': p->skip = (unsigned long)number_of(optarg, 0); break;
                case '1': set_mode(p, ONE, NULL); break;
                case 'w': set_mode(p, WINDOW, &p->window); break;
                case 'r': set_mode(p, RATE, &p->rate); break;
                case 'a': set_mode(p, WAITING, NULL); break;
                default: exit(2);
                }
        }
        p->command = argv + optind;
        if (!p->url || !p->recipe.tasks || p->count <= p->skip || !*p->command)
                die("--url, --task, a --count above --skip and a command are needed");
}

/* ---- the worker ---- */

/* Fails the measurement when the worker does. */
static void *watch_worker(void *arg)
{
        struct latency_plan *p = arg;
        siginfo_t how;
        waitid(P_PID, (id_t)p->worker, &how, WEXITED | WNOWAIT);
        pthread_mutex_lock(&p->times.lock);
        p->times.ended = true;
        pthread_cond_broadcast(&p->times.changed);
        pthread_mutex_unlock(&p->times.lock);
        return NULL;
}

static void start_worker(struct latency_plan *p)
{
        pthread_t watcher;
        struct amqp_connection_info info;
        char *copy = strdup(p->url), url[512];
        if (!copy)
                die("out of memory");
        check_status(amqp_parse_url(copy, &info), "the broker's URL");
        const unsigned port = tap_start(&p->times, info.host, info.port);
        snprintf(url, sizeof(url), "amqp://%s:%s@127.0.0.1:%u/%s", info.user, info.password, port,
                 strcmp(info.vhost, "/") == 0 ? "%2F" : info.vhost);
        for (char **word = p->command; *word; word++) {
                char *hole = strstr(*word, "{url}");
                if (hole && asprintf(word, "%.*s%s%s", (int)(hole - *word), *word, url, hole + 5) < 0)
                        die("out of memory");
        }
        p->exec_ns = now_ns();
        p->worker = fork();
        if (p->worker == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                dup2(STDERR_FILENO, STDOUT_FILENO); /* the report alone goes to standard output */
                execvp(p->command[0], p->command);
                die("%s: %s", p->command[0], strerror(errno));
        }
        if (p->worker < 0 || pthread_create(&watcher, NULL, watch_worker, p) != 0)
                die("%s", strerror(errno));
        free(copy);
}

/* Wait until so many are acked. */
static void wait_acked(struct latency_plan *p, size_t count)
{
        struct times *t = &p->times;
        struct timespec end;
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 60;
        pthread_mutex_lock(&t->lock);
        while (t->acked_count < count && !t->ended)
                if (pthread_cond_timedwait(&t->changed, &t->lock, &end) != 0)
                        die("%zu of %zu were acked, then nothing for a minute", t->acked_count, count);
        if (t->acked_count < count)
                die("the worker ended after %zu acks of %zu", t->acked_count, count);
        pthread_mutex_unlock(&t->lock);
}

/* ---- publishing ---- */

/* Take the confirms that are there; at least one, with `wait`. */
static void take_confirms(amqp_connection_state_t conn, bool wait)
{
        amqp_frame_t frame;
        struct timeval none = { 0 };
        amqp_maybe_release_buffers(conn);
        for (bool first = wait;; first = false) {
                const int status = amqp_simple_wait_frame_noblock(conn, &frame, first ? NULL : &none);
                if (status == AMQP_STATUS_TIMEOUT)
                        return;
                check_status(status, "confirms");
                if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
                        die("a message was returned or refused (method %08x)", frame.payload.method.id);
        }
}

static void sleep_until(uint64_t ns)
{
        const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
                ;
}

/* Hold message `i` back for as long as the mode says; returns when it counts as sent. */
static uint64_t pace(struct latency_plan *p, unsigned long i, uint64_t start_ns)
{
        const enum latency_mode mode = i < p->skip && p->mode != WAITING ? ONE : p->mode;
        if (mode == ONE)
                wait_acked(p, i);
        if (mode == WINDOW && i >= p->window)
                wait_acked(p, i - p->window + 1);
        if (mode != RATE)
                return now_ns();
        const uint64_t due = start_ns + (i - p->skip) * 1000000000 / p->rate;
        if (now_ns() < due)
                sleep_until(due);
        return due;
}

static void publish_all(struct latency_plan *p)
{
        amqp_pool_t pool;
        uint64_t start_ns = 0;
        struct ready *ready = calloc(p->count, sizeof(*ready));
        if (!ready)
                die("out of memory");
        init_amqp_pool(&pool, 65536);
        for (unsigned long i = 0; i < p->count; i++)
                ready[i] = ready_of(recipe_message(&p->recipe, i, p->count), &pool);
        if (p->mode != WAITING)
                start_worker(p);
        for (unsigned long i = 0; i < p->count; i++) {
                if (i == p->skip) {
                        wait_acked(p, p->mode == WAITING ? 0 : i);
                        start_ns = now_ns();
                }
                p->times.sent[i] = pace(p, i, start_ns);
                check_status(amqp_basic_publish(p->conn, 1, ready[i].exchange, ready[i].routing_key, 1, 0,
                                                ready[i].properties, ready[i].body),
                             "basic.publish");
                take_confirms(p->conn, p->mode == WAITING);
        }
}

/* ---- the report ---- */

static void report(const char *name, const struct latency_plan *p, const uint64_t *from, const uint64_t *to)
{
        const size_t count = p->count - p->skip;
        uint64_t *us = calloc(count, sizeof(*us));
        if (!us)
                die("out of memory");
        for (size_t i = 0; i < count; i++) {
                const uint64_t a = from[p->skip + i], b = to[p->skip + i];
                us[i] = b > a ? (b - a) / 1000 : 0;
        }
        sort_values(us, count);
        printf("\"%s\":{\"p50\":%llu,\"p99\":%llu,\"max\":%llu},", name,
               (unsigned long long)percentile_of(us, count, 50), (unsigned long long)percentile_of(us, count, 99),
               (unsigned long long)us[count - 1]);
        free(us);
}

static void end_worker(struct latency_plan *p)
{
        struct rusage usage;
        int status;
        kill(p->worker, SIGTERM);
        if (wait4(p->worker, &status, 0, &usage) < 0)
                die("wait: %s", strerror(errno));
        const struct times *t = &p->times;
        const uint64_t first = t->acked[p->skip], last = t->acked[p->count - 1];
        printf("\"cold_delivered_us\":%llu,\"cold_acked_us\":%llu,\"acks_per_s\":%.1f,\"worker_cpu_us\":%lld}\n",
               (unsigned long long)(t->delivered[0] - p->exec_ns) / 1000,
               (unsigned long long)(t->acked[0] - p->exec_ns) / 1000,
               last > first ? (double)(p->count - p->skip - 1) * 1e9 / (double)(last - first) : 0,
               (long long)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
                       (long long)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
        struct latency_plan p = { .times = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER } };
        read_plan(&p, argc, argv);
        prctl(PR_SET_TIMERSLACK, 1);
        struct times *t = &p.times;
        t->count = p.count;
        t->sent = calloc(p.count, sizeof(uint64_t));
        t->delivered = calloc(p.count, sizeof(uint64_t));
        t->acked = calloc(p.count, sizeof(uint64_t));
        if (!t->sent || !t->delivered || !t->acked)
                die("out of memory");
        p.conn = plain_connect(p.url);
        amqp_confirm_select(p.conn, 1);
        check_reply(p.conn, "confirm.select");
        publish_all(&p);
        if (p.mode == WAITING)
                start_worker(&p);
        wait_acked(&p, p.count);
        printf("{\"count\":%lu,", p.count - p.skip);
        report("total", &p, t->sent, t->acked);
        report("broker", &p, t->sent, t->delivered);
        report("worker", &p, t->delivered, t->acked);
        end_worker(&p);
        plain_close(p.conn);
        return 0;
}
