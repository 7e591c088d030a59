/* SPDX-License-Identifier: Apache-2.0 */
/* The registers, and what they say of the process itself. */
#include "observe/meter.h"

#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { METER_LAG_MS = 200 };

struct meter {
        struct metrics *metrics;
        struct collector collector;
        struct series *lag;
        uv_timer_t timer;
        uint64_t due_us;
        double started_s;
};

/* ---- the process ---- */

static double process_cpu_s(void)
{
        struct rusage u = { .ru_maxrss = 0 };
        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The second number of /proc/self/statm is in pages. Negative: not known. */
static double process_resident(void)
{
        char line[128] = "";
        FILE *file = fopen("/proc/self/statm", "re");
        const bool read = file && fgets(line, sizeof(line), file);
        if (file)
                fclose(file);
        const char *pages = read ? strchr(line, ' ') : NULL;
        return pages ? strtod(pages, NULL) * (double)sysconf(_SC_PAGESIZE) : -1;
}

static double process_open_fds(void)
{
        DIR *folder = opendir("/proc/self/fd");
        double count = -1; /* the folder's own does not count */
        for (const struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder))
                count += entry->d_name[0] != '.';
        if (folder)
                closedir(folder);
        return count;
}

static void process_set(struct metrics *m, enum meter_row row, double value)
{
        if (value >= 0)
                series_set(METRICS_SERIES(m, row, NULL), value);
}

static void process_collect(struct collector *c, struct metrics *m)
{
        const struct meter *meter = (const struct meter *)((char *)c - offsetof(struct meter, collector));
        struct rlimit limit;
        process_set(m, METER_PROCESS_CPU_SECONDS, process_cpu_s());
        process_set(m, METER_PROCESS_RESIDENT_BYTES, process_resident());
        process_set(m, METER_PROCESS_OPEN_FDS, process_open_fds());
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
                process_set(m, METER_PROCESS_MAX_FDS, (double)limit.rlim_cur);
        process_set(m, METER_PROCESS_START_SECONDS, meter->started_s);
        process_set(m, METER_METRICS_SERIES_COUNT, (double)metrics_count(m));
        process_set(m, METER_METRICS_SERIES_REFUSED, (double)metrics_refused(m));
}

/* ---- the loop ---- */

/* A timer that comes late was held up by what the loop did before. */
static void on_meter_lag(uv_timer_t *timer)
{
        struct meter *m = (struct meter *)timer->data;
        const uint64_t now_us = clock_mono_us();
        series_observe(m->lag, now_us > m->due_us ? (double)(now_us - m->due_us) / 1e6 : 0, NULL, 0);
        m->due_us = now_us + METER_LAG_MS * 1000;
        uv_update_time(timer->loop);
        uv_timer_start(timer, on_meter_lag, METER_LAG_MS, 0);
}

static void meter_watch_loop(struct meter *m, uv_loop_t *loop)
{
        m->lag = METRICS_SERIES(m->metrics, METER_LOOP_LAG_SECONDS, NULL);
        uv_timer_init(loop, &m->timer);
        uv_unref((uv_handle_t *)&m->timer);
        m->timer.data = m;
        m->due_us = clock_mono_us() + METER_LAG_MS * 1000;
        uv_timer_start(&m->timer, on_meter_lag, METER_LAG_MS, 0);
}

/* ---- opening and closing ---- */

int meter_open(struct meter **out, uv_loop_t *loop, const char *role, const char *name)
{
        struct meter *m = calloc(1, sizeof(*m));
        if (!m || metrics_new(&m->metrics, meter_table, METER_ROWS)) {
                free(m);
                return -ENOMEM;
        }
        m->started_s = (double)clock_wall_ms() / 1000;
        m->collector.collect = process_collect;
        metrics_collect_by(m->metrics, &m->collector);
        METRICS_SERIES(m->metrics, METER_BUILD, CHARD_VERSION, role, name);
        meter_watch_loop(m, loop);
        *out = m;
        return 0;
}

struct metrics *meter_metrics(const struct meter *m)
{
        return m->metrics;
}

static void on_meter_closed(uv_handle_t *timer)
{
        struct meter *m = (struct meter *)timer->data;
        metrics_free(m->metrics);
        free(m);
}

void meter_close(struct meter *m)
{
        if (m)
                uv_close((uv_handle_t *)&m->timer, on_meter_closed);
}
