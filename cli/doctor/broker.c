/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/doctor.h"

#include "cli/common/wait.h"
#include "core/clock.h"
#include "core/id.h"
#include "message/message.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MISSING_SHOWN = 3, DATE_UNSURE_MS = 1000, NAME_SIZE = 300 };

struct broker_look {
        struct doctor *doctor;
        struct wait wait;
        struct broker *broker;
        bool missing;
        enum publish_result published;
        unsigned risks;
};

static const char *broker_advice(const char *code)
{
        static const struct {
                const char *code, *advice;
        } rows[] = {
                { "unreachable", "see that it runs, and that CHARD_BROKER_URL names it" },
                { "access_refused", "see user, password and virtual host in CHARD_BROKER_URL" },
                { "bad_url", "set CHARD_BROKER_URL: amqp://USER:PASSWORD@HOST:PORT/VHOST or embedded:FILE" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].code, code) == 0)
                        return rows[i].advice;
        return "see CHARD_BROKER_URL";
}

/* ---- does it take messages? ---- */

static struct message *broker_letter(void)
{
        char nobody[ID_TEXT_SIZE];
        struct buffer properties = { 0 };
        struct message *m = NULL;
        const struct properties p = { .delivery_mode = 1, .timestamp = -1 };
        id_new(nobody);
        properties_write(&p, &properties);
        if (!properties.failed)
                m = message_new("", nobody, buffer_view(&properties), bytes_of_string("{}"));
        buffer_free(&properties);
        return m;
}

static void broker_on_published(enum publish_result result, void *arg)
{
        struct broker_look *look = (struct broker_look *)arg;
        look->published = result;
        wait_done(&look->wait);
}

/* To a queue that there isn't: it comes back, and leaves nothing behind. */
static void broker_try_publish(struct broker_look *look)
{
        struct message *m = broker_letter();
        struct broker_health health;
        if (!m)
                return;
        broker_publish(look->broker, m, broker_on_published, look);
        const bool told = wait_for(&look->wait, DOCTOR_ANSWER_MS);
        broker_health(look->broker, &health);
        if (told && (look->published == PUBLISH_RETURNED || look->published == PUBLISH_CONFIRMED))
                doctor_say(look->doctor, DOCTOR_OK, "broker", "", "it takes messages");
        else if (told)
                doctor_say(look->doctor, DOCTOR_FAIL, "broker", "let the user write to all of chard's exchanges",
                           "it refuses what is published");
        else
                doctor_say(look->doctor, DOCTOR_FAIL, "broker", "see its alarms: rabbitmqctl alarms (memory or disk)",
                           "it takes no messages: %s", *health.why ? health.why : "no confirm comes");
}

/* ---- what should stand there ---- */

static void broker_on_depth(const struct queue_depth *depth, void *arg)
{
        struct broker_look *look = (struct broker_look *)arg;
        look->missing = depth->missing;
        wait_done(&look->wait);
}

static bool broker_lacks(struct broker_look *look, const char *queue)
{
        look->missing = false;
        look->broker->backend->depth(look->broker, queue, broker_on_depth, look);
        return wait_for(&look->wait, DOCTOR_ANSWER_MS) && look->missing;
}

/* Each task's queue, unless its clients declare it in their own way, and where its dead letters go. */
static void broker_look_for_queues(struct broker_look *look)
{
        struct doctor *d = look->doctor;
        char names[MISSING_SHOWN * NAME_SIZE] = "", dead[NAME_SIZE];
        const size_t first = d->settings->declare_queues ? 0 : 1, all = (2 - first) * d->queue_count;
        size_t missing = 0;
        for (size_t i = first; i < 2 * d->queue_count; i += 1 + first) {
                snprintf(dead, sizeof(dead), "%s%s", d->queues[i / 2], i % 2 ? ".dead" : "");
                if (broker_lacks(look, dead) && missing++ < MISSING_SHOWN)
                        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", missing > 1 ? ", " : "",
                                 dead);
        }
        if (missing)
                doctor_say(d, DOCTOR_FAIL, "topology", "run: chard topology apply",
                           "%zu of %zu queues are not there: %s%s", missing, all, names,
                           missing > MISSING_SHOWN ? ", …" : "");
        else
                doctor_say(d, DOCTOR_OK, "topology", "", "all %zu queues are there", all);
}

/* ---- what the management API shows ---- */

static void broker_on_risk(enum risk risk, const char *queue, const char *text, void *arg)
{
        struct broker_look *look = (struct broker_look *)arg;
        look->risks++;
        doctor_say(look->doctor, risk == RISK_LOSS ? DOCTOR_FAIL : DOCTOR_WARN, "topology",
                   risk == RISK_LOSS ? "run: chard topology apply, with CHARD_BROKER_ADMIN_URL"
                                     : "see: chard topology check",
                   "%s %s", queue, text);
}

static void broker_judge_limits(struct broker_look *look, struct broker_check_config config)
{
        struct doctor *d = look->doctor;
        struct topology topology;
        struct problem why = { 0 };
        if (topology_build(&topology, d->queues, d->queue_count, d->settings->native_delay) < 0)
                return;
        config.topology = &topology;
        const int code = broker_check(&config, broker_on_risk, look, &why);
        if (code > 0)
                doctor_say(d, DOCTOR_WARN, "topology", "see: chard topology check", "%s", why.text);
        else if (code == 0 && look->risks == 0)
                doctor_say(d, DOCTOR_OK, "topology", "", "no limit of a queue loses messages");
        topology_free(&topology);
}

static void broker_look_behind(struct broker_look *look)
{
        const struct settings *s = look->doctor->settings;
        struct broker_server server;
        struct problem why = { 0 };
        struct broker_check_config config = { .urls = s->broker_url,
                                              .ca_file = setting_or_null(s->broker_ca_file),
                                              .admin_url = s->broker_admin_url,
                                              .leaves_tasks = !s->declare_queues };
        const int64_t began_ms = clock_wall_ms();
        const int code = broker_look(&config, &server, &why);
        if (code) {
                doctor_say(look->doctor, DOCTOR_WARN, "broker",
                           "set CHARD_BROKER_ADMIN_URL, with a user that has the tag policymaker",
                           "its version, its clock and the limits of its queues can't be seen: %s",
                           code > 0 ? why.text : strerror(-code));
                return;
        }
        const int64_t now_ms = clock_wall_ms();
        doctor_say(look->doctor, DOCTOR_OK, "broker", "", "RabbitMQ %s", server.version);
        if (server.permitted)
                doctor_judge_permissions(look->doctor, &server);
        /* its date is cut to the second, so it is half a second earlier than it was on average */
        if (server.date_ms > 0)
                doctor_judge_clock(look->doctor, "the broker", server.date_ms + DATE_UNSURE_MS / 2 - now_ms,
                                   DATE_UNSURE_MS + (now_ms - began_ms));
        broker_judge_limits(look, config);
}

/* ---- all of it ---- */

static void broker_look_inside(struct broker_look *look, uint64_t took_ms)
{
        doctor_say(look->doctor, DOCTOR_OK, "broker", "", "connected in %llu ms", (unsigned long long)took_ms);
        broker_try_publish(look);
        broker_look_for_queues(look);
        if (broker_is_checked(look->doctor->settings->broker_url))
                broker_look_behind(look);
}

void doctor_look_at_broker(struct doctor *d)
{
        const struct settings *s = d->settings;
        const struct broker_listener deaf = { 0 };
        struct broker_look look = { .doctor = d };
        struct problem why = { 0 };
        const char *path = doctor_file_of(s->broker_url);
        if (path && access(path, F_OK) != 0) {
                doctor_say(d, DOCTOR_FAIL, "broker", "run: chard topology apply (or chard dev)", "there is no file %s",
                           path);
                return;
        }
        wait_open(&look.wait);
        const struct broker_config config = { .loop = &look.wait.loop,
                                              .urls = s->broker_url,
                                              .ca_file = setting_or_null(s->broker_ca_file),
                                              .name = "chard doctor",
                                              .heartbeat_s = (unsigned)s->heartbeat_s,
                                              .connect_timeout_ms = (unsigned)s->connect_timeout_ms };
        const uint64_t began_ms = clock_mono_ms();
        const int code = broker_open(&look.broker, &config, &deaf, &why);
        if (code)
                doctor_say(d, DOCTOR_FAIL, "broker", code > 0 ? broker_advice(why.code) : "", "%s",
                           code > 0 ? why.text : strerror(-code));
        else
                broker_look_inside(&look, clock_mono_ms() - began_ms);
        if (look.broker)
                broker_close(look.broker);
        wait_close(&look.wait);
}
