/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/inspect.h"

#include "core/log.h"
#include "core/thread/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 1500 }; /* curl asks once a second whether to go on */

struct inspection {
        struct work *work; /* NULL once it has run */
        struct topology topology;
        char *urls, *ca_file, *admin_url;
        bool leaves_tasks;
        unsigned risks;
        atomic_bool stop;
};

static void inspection_free(struct inspection *i)
{
        topology_free(&i->topology);
        free(i->urls);
        free(i->ca_file);
        free(i->admin_url);
        free(i);
}

static void tell_risk(enum risk risk, const char *queue, const char *text, void *arg)
{
        if (risk != RISK_LOSS)
                return;
        log_warn("broker", "queue=%s %s", queue, text);
        ((struct inspection *)arg)->risks++;
}

static void broker_inspect_look(void *arg)
{
        struct inspection *i = arg;
        struct problem why = { 0 };
        const struct broker_check_config config = {
                .urls = i->urls,
                .ca_file = i->ca_file,
                .admin_url = i->admin_url,
                .topology = &i->topology,
                .leaves_tasks = i->leaves_tasks,
                .briefly = true,
                .stop = &i->stop,
        };
        const int result = broker_check(&config, tell_risk, i, &why);
        if (result > 0 && !atomic_load(&i->stop))
                log_warn("broker", "whether the broker's settings lose messages can't be seen: %s", why.text);
        if (i->risks)
                log_warn("broker", "messages can get lost on the broker: chard topology check says where");
}

static void on_looked(void *arg)
{
        ((struct inspection *)arg)->work = NULL;
}

static void broker_inspect_on_forgotten(void *arg)
{
        inspection_free(arg);
}

static bool broker_inspect_copy(struct inspection *i, const struct broker_check_config *c)
{
        i->urls = strdup(c->urls);
        i->admin_url = strdup(c->admin_url);
        i->ca_file = c->ca_file ? strdup(c->ca_file) : NULL;
        i->leaves_tasks = c->leaves_tasks;
        return i->urls && i->admin_url && (i->ca_file || !c->ca_file);
}

int inspection_start(struct inspection **out, uv_loop_t *loop, const struct broker_check_config *config,
                     const char *const queues[], size_t count, bool native_delay)
{
        static const struct work_calls calls = { broker_inspect_look, on_looked, broker_inspect_on_forgotten };
        *out = NULL;
        if (!config->admin_url)
                return 0;
        struct inspection *i = calloc(1, sizeof(*i));
        int result = i && broker_inspect_copy(i, config) ? topology_build(&i->topology, queues, count, native_delay)
                                                         : -ENOMEM;
        if (!result)
                result = work_start(&i->work, loop, &calls, i);
        if (result && i)
                inspection_free(i);
        if (!result)
                *out = i;
        return result;
}

void inspection_end(struct inspection *i)
{
        if (!i)
                return;
        atomic_store(&i->stop, true);
        if (i->work)
                work_abandon(i->work, GRACE_MS);
        else
                inspection_free(i);
}
