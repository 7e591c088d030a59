/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve/figures.h"

#include "catalog/catalog.h"
#include "observe/runs.h"
#include "observe/worker.h"
#include "tasks/task.h"

#include <string.h>

int figures_begin(struct figures *f, uv_loop_t *loop, const char *role, const char *name)
{
        return meter_open(&f->meter, loop, role, name);
}

int figures_of_runs(struct figures *f, struct observer **observers)
{
        const int code = run_meter_open(&f->runs, f->meter);
        if (code)
                return code;
        struct observer *o = run_meter_observer(f->runs);
        o->next = *observers;
        *observers = o;
        return 0;
}

int figures_of_worker(struct figures *f, struct worker *worker, const struct catalog *catalog,
                      const char *const queues[], size_t count)
{
        const struct task_set *set = catalog_tasks(catalog);
        for (size_t i = 0; i < set->count; i++)
                for (size_t q = 0; q < count; q++)
                        if (strcmp(set->tasks[i].def->queue, queues[q]) == 0)
                                run_meter_expect(f->runs, set->tasks[i].def->name, queues[q]);
        return worker_meter_open(&f->worker, f->meter, worker);
}

int figures_show(struct figures *f, struct show_config config, const char *listen, struct problem *why)
{
        config.meter = f->meter;
        const int code = show_open(&f->show, &config);
        return code || !*listen ? code : show_listen(f->show, listen, why);
}

void figures_hide(struct figures *f)
{
        show_close(f->show);
        f->show = NULL;
}

void figures_end(struct figures *f)
{
        figures_hide(f);
        worker_meter_close(f->worker);
        run_meter_close(f->runs);
        meter_close(f->meter);
        *f = (struct figures){ 0 };
}
