/* SPDX-License-Identifier: Apache-2.0 */
/* The result backend: is it reached, and does it keep what it is given? */
#include "cli/doctor/doctor.h"

#include "cli/common/wait.h"
#include "redis/link.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RESULTS_VALUE_SIZE = 64 };

struct results_look {
        struct doctor *doctor;
        struct wait wait;
        struct redis_link *link;
};

/* ---- what it says of itself ---- */

/* The value of a line of Redis's INFO, "KEY:VALUE"; "" where there is none. */
static const char *results_info(const char *info, const char *key, char out[RESULTS_VALUE_SIZE])
{
        const size_t size = strlen(key);
        *out = '\0';
        for (const char *line = info; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, size) != 0 || line[size] != ':')
                        continue;
                snprintf(out, RESULTS_VALUE_SIZE, "%.*s", (int)strcspn(line + size + 1, "\r\n"), line + size + 1);
                return out;
        }
        return out;
}

static void results_judge_memory(struct doctor *d, const char *info)
{
        char value[RESULTS_VALUE_SIZE];
        const double most = strtod(results_info(info, "maxmemory", value), NULL),
                     used = strtod(results_info(info, "used_memory", value), NULL);
        const char *policy = results_info(info, "maxmemory_policy", value);
        if (most > 0 && strcmp(policy, "noeviction") != 0)
                doctor_say(
                        d, DOCTOR_WARN, "results",
                        "set its maxmemory-policy to noeviction: results and chords' counters that it drops are missed",
                        "Redis drops keys (%s) once it holds %.0f MiB", policy, most / (1 << 20));
        if (most > 0 && used > 0.9 * most)
                doctor_say(d, DOCTOR_WARN, "results", "give it more maxmemory, or lower CHARD_RESULT_EXPIRES_S",
                           "Redis holds %.0f of %.0f MiB", used / (1 << 20), most / (1 << 20));
}

void doctor_judge_redis(struct doctor *d, const char *info)
{
        char version[RESULTS_VALUE_SIZE], role[RESULTS_VALUE_SIZE];
        doctor_say(d, DOCTOR_OK, "results", "", "Redis %s answers", results_info(info, "redis_version", version));
        if (strcmp(results_info(info, "role", role), "slave") == 0)
                doctor_say(d, DOCTOR_FAIL, "results", "name the master in CHARD_RESULT_URL, or its sentinels",
                           "it is a replica, which takes no writes");
        results_judge_memory(d, info);
}

/* ---- asking ---- */

static void results_on_info(redisReply *reply, void *arg)
{
        struct results_look *look = (struct results_look *)arg;
        struct doctor *d = look->doctor;
        bool refused = false;
        if (redis_link_closed(look->link)) /* nobody waits any more */
                return;
        if (!reply) {
                const char *why = redis_link_why(look->link, &refused);
                doctor_say(d, DOCTOR_FAIL, "results",
                           refused ? "see user and password in CHARD_RESULT_URL"
                                   : "see that it runs, and that CHARD_RESULT_URL names it",
                           "Redis: %s; tasks are done all the same, and their results wait in the store",
                           *why ? why : "it does not answer");
        } else if (reply->type == REDIS_REPLY_ERROR) {
                doctor_say(d, DOCTOR_WARN, "results", "let its user call INFO, or look at the server itself",
                           "Redis is there, and does not say how it is: %s", reply->str);
        } else {
                doctor_judge_redis(d, reply->str ? reply->str : "");
        }
        wait_done(&look->wait);
}

static void results_look_at(struct doctor *d, const char *url)
{
        struct results_look look = { .doctor = d };
        struct redis_address address = { 0 };
        struct problem why = { 0 };
        const struct bytes words[] = { bytes_of_string("INFO") };
        wait_open(&look.wait);
        const struct redis_link_config config = { .loop = &look.wait.loop,
                                                  .connect_timeout_ms = (unsigned)d->settings->connect_timeout_ms,
                                                  .on_demand = true };
        int code = redis_address_read(url, &address, &why);
        if (code == 0)
                code = redis_link_open(&look.link, &config, &address, &why);
        if (code == 0)
                code = redis_link_send(look.link, words, 1, results_on_info, &look);
        if (code)
                doctor_say(d, DOCTOR_FAIL, "results", "see CHARD_RESULT_URL", "%s",
                           code > 0 ? why.text : "out of memory");
        else if (!wait_for(&look.wait, DOCTOR_ANSWER_MS))
                doctor_say(d, DOCTOR_FAIL, "results", "see what keeps it busy: redis-cli slowlog get",
                           "Redis takes connections, but does not answer");
        if (look.link)
                redis_link_close(look.link);
        wait_close(&look.wait);
        redis_address_free(&address);
}

/* rpc:// is the broker's, and disabled:// nobody's. */
static bool results_is_redis(const char *url)
{
        static const char *const schemes[] = { "redis", "sentinel" };
        for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
                if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
                        return true;
        return false;
}

void doctor_look_at_results(struct doctor *d)
{
        char *urls = strdup(d->settings->result_url), *save;
        if (!urls)
                return;
        for (char *url = strtok_r(urls, ", ", &save); url; url = strtok_r(NULL, ", ", &save))
                if (results_is_redis(url))
                        results_look_at(d, url);
        free(urls);
}
