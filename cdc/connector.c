/* SPDX-License-Identifier: Apache-2.0 */
#include "cdc/connector.h"

#include "core/clock.h"
#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum connector_rule {
        RULE_SAME,   /* this text */
        RULE_LIST,   /* these words, separated by commas, in any order */
        RULE_HOLDS,  /* these words, and maybe more */
        RULE_UPTO,   /* a number from 1 to this one */
        RULE_GIVEN,  /* any text but none */
        RULE_SECRET, /* the same, and nobody says it */
};

struct connector_row {
        const char *key, *value;
        enum connector_rule rule;
        const char *unset; /* what holds where it is not set; NULL: it must be */
        const char *harm;  /* what goes wrong else */
};

/* A table reads by its rows. */
/* clang-format off */
#define ROUTER    "transforms.outbox."
#define CE(which) "transforms.ce" which "."
#define CE_PLACE  "org.apache.kafka.connect.transforms."
#define CE_SOURCE CE("Source") "value.literal"
#define CE_HARM   "records are no CloudEvents for who reads them as such"
static const struct connector_row connector_rows[] = {
        { "connector.class", "io.debezium.connector.postgresql.PostgresConnector", RULE_SAME, NULL, "another program reads the outbox otherwise" },
        { "tasks.max", "1", RULE_SAME, "1", "a slot has one reader" },
        { "plugin.name", "pgoutput", RULE_SAME, "decoderbufs", "the server has no other plug-in unless somebody installs one" },
        { "database.hostname", "HOST", RULE_GIVEN, NULL, "it finds no database" },
        { "database.port", "5432", RULE_GIVEN, "5432", "it finds no database" },
        { "database.user", "USER", RULE_GIVEN, NULL, "it is not let in" },
        { "database.password", "${env:CHARD_CONNECT_PASSWORD}", RULE_SECRET, "none", "it is not let in" },
        { "database.dbname", "chard", RULE_SAME, NULL, "it reads another database than chard writes" },
        { "topic.prefix", "chard", RULE_SAME, NULL, "the predicate below does not know the outbox" },
        { "slot.name", CDC_SLOT, RULE_SAME, "debezium", "chard looks after the slot " CDC_SLOT },
        { "slot.drop.on.stop", "false", RULE_SAME, "false", "events are lost at each stop" },
        { "publication.name", CDC_PUBLICATION, RULE_SAME, "dbz_publication", "chard makes the publication " CDC_PUBLICATION },
        { "publication.autocreate.mode", "disabled", RULE_SAME, "all_tables", "it changes the publication" },
        { "table.include.list", "chard.outbox,chard.heartbeat", RULE_LIST, "", "tables are left out, or others are carried" },
        { "snapshot.mode", "no_data", RULE_SAME, "initial", "it reads whole tables at its first start" },
        { "heartbeat.interval.ms", "5000", RULE_UPTO, "0", "an idle database keeps its log" },
        { "heartbeat.action.query", "update chard.heartbeat set beat_at = now() where name = 'chard'", RULE_SAME, "", "an idle database keeps its log" },
        { "event.processing.failure.handling.mode", "fail", RULE_SAME, "fail", "events are left out in silence" },
        { "errors.tolerance", "none", RULE_SAME, "none", "events are left out in silence" },
        { "tombstones.on.delete", "false", RULE_SAME, "true", "records come that are no events" },
        { "key.converter", "org.apache.kafka.connect.storage.StringConverter", RULE_SAME, NULL, "keys are no ids of aggregates" },
        { "value.converter", "org.apache.kafka.connect.json.JsonConverter", RULE_SAME, NULL, "values are no JSON objects" },
        { "value.converter.schemas.enable", "false", RULE_SAME, "true", "the payload is wrapped" },
        { "transforms", "ceVersion,ceHeader,ceSource,ceContent,outbox", RULE_SAME, "", "rows are carried and no events, or records lack the headers of CloudEvents" },
        { CE("Version") "type", CE_PLACE "InsertField$Value", RULE_SAME, NULL, CE_HARM },
        { CE("Version") "predicate", "isOutbox", RULE_SAME, NULL, CE_HARM },
        { CE("Version") "static.field", "ce_specversion", RULE_SAME, NULL, CE_HARM },
        { CE("Version") "static.value", "1.0", RULE_SAME, NULL, CE_HARM }, /* InsertHeader would read a number, and write "1" */
        { CE("Header") "type", CE_PLACE "HeaderFrom$Value", RULE_SAME, NULL, CE_HARM },
        { CE("Header") "predicate", "isOutbox", RULE_SAME, NULL, CE_HARM },
        { CE("Header") "fields", "ce_specversion", RULE_SAME, NULL, CE_HARM },
        { CE("Header") "headers", "ce_specversion", RULE_SAME, NULL, CE_HARM },
        { CE("Header") "operation", "move", RULE_SAME, NULL, CE_HARM },
        { CE("Source") "type", CE_PLACE "InsertHeader", RULE_SAME, NULL, CE_HARM },
        { CE("Source") "predicate", "isOutbox", RULE_SAME, NULL, CE_HARM },
        { CE("Source") "header", "ce_source", RULE_SAME, NULL, CE_HARM },
        { CE_SOURCE, "/chard/chard", RULE_GIVEN, NULL, CE_HARM },
        { CE("Content") "type", CE_PLACE "InsertHeader", RULE_SAME, NULL, CE_HARM },
        { CE("Content") "predicate", "isOutbox", RULE_SAME, NULL, CE_HARM },
        { CE("Content") "header", "content-type", RULE_SAME, NULL, CE_HARM },
        { CE("Content") "value.literal", "application/json", RULE_SAME, NULL, CE_HARM },
        { ROUTER "type", "io.debezium.transforms.outbox.EventRouter", RULE_SAME, NULL, "rows are carried, and no events" },
        { ROUTER "predicate", "isOutbox", RULE_SAME, NULL, "the heartbeat's rows stop it" },
        { ROUTER "table.expand.json.payload", "true", RULE_SAME, "false", "the payload is a text" },
        { ROUTER "table.fields.additional.placement", "type:header:eventType,tracingspancontext:header:tracingspancontext,backfill:header:backfill,"
          "id:header:ce_id,type:header:ce_type,aggregateid:header:ce_subject,created_at:header:ce_time", RULE_HOLDS, "",
          "consumers do not know the event's type, its trace, or that it comes once more; or records are no CloudEvents" },
        { ROUTER "route.topic.replacement", "chard.${routedByValue}", RULE_SAME, "outbox.event.${routedByValue}", "events go to other topics" },
        { "predicates", "isOutbox", RULE_SAME, NULL, "the heartbeat's rows stop it" },
        { "predicates.isOutbox.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches", RULE_SAME, NULL, "the heartbeat's rows stop it" },
        { "predicates.isOutbox.pattern", "chard\\.chard\\.outbox", RULE_SAME, NULL, "the heartbeat's rows stop it, or events pass it by" },
};
/* clang-format on */

enum {
        CONNECTOR_SLACK_MS = 60000
}; /* an event's time is that of its transaction's begin, the connector's that of an end */

enum { CONNECTOR_ROWS = sizeof(connector_rows) / sizeof(connector_rows[0]) };

/* ---- what it must be ---- */

static bool connector_is(const struct connector_row *row, const char *key)
{
        return strcmp(row->key, key) == 0;
}

static const char *connector_value(const struct connector_row *row, const struct cdc_names *names)
{
        const struct {
                const char *key, *value;
        } own[] = { { "database.hostname", names->host },
                    { "database.port", names->port },
                    { "database.user", names->user },
                    { "database.dbname", names->database } };
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                if (connector_is(row, own[i].key) && own[i].value)
                        return own[i].value;
        return row->value;
}

/* New reference: the value, with the installation's own prefix where topics are named. */
static json_t *connector_text(const struct connector_row *row, const struct cdc_names *names)
{
        if (connector_is(row, ROUTER "route.topic.replacement"))
                return json_sprintf("%s${routedByValue}", names->prefix);
        if (connector_is(row, CE_SOURCE))
                return json_sprintf("/chard/%s", names->database ? names->database : "chard");
        return json_string(connector_value(row, names));
}

json_t *connector_config(const struct cdc_names *names)
{
        json_t *config = json_object();
        for (size_t i = 0; i < CONNECTOR_ROWS; i++)
                if (json_object_set_new(config, connector_rows[i].key, connector_text(&connector_rows[i], names)) !=
                    0) {
                        json_decref(config);
                        return NULL;
                }
        return config;
}

/* ---- what it is ---- */

/* Each of the words of `list` is in `text` as well. */
static bool connector_has_all(const char *text, const char *list)
{
        for (;;) {
                list += strspn(list, ", ");
                const size_t size = strcspn(list, ", ");
                if (size == 0)
                        return true;
                bool found = false;
                for (const char *at = text; *at && !found;) {
                        at += strspn(at, ", ");
                        const size_t length = strcspn(at, ", ");
                        found = length == size && strncmp(at, list, size) == 0;
                        at += length;
                }
                if (!found)
                        return false;
                list += size;
        }
}

static bool connector_is_upto(const char *text, const char *most)
{
        char *end;
        const long long number = strtoll(text, &end, 10);
        return end != text && *end == '\0' && number >= 1 && number <= strtoll(most, NULL, 10);
}

static bool connector_fits(enum connector_rule rule, const char *found, const char *wanted)
{
        switch (rule) {
        case RULE_SAME: return strcmp(found, wanted) == 0;
        case RULE_LIST: return connector_has_all(found, wanted) && connector_has_all(wanted, found);
        case RULE_HOLDS: return connector_has_all(found, wanted);
        case RULE_UPTO: return connector_is_upto(found, wanted);
        case RULE_GIVEN:
        case RULE_SECRET: return *found != '\0';
        }
        return false;
}

/* A text, also where somebody gave a number or a truth value. New; NULL: there is none. */
static char *connector_found(const json_t *config, const char *key)
{
        const json_t *value = json_object_get(config, key);
        if (json_is_string(value))
                return strdup(json_string_value(value));
        return value && !json_is_null(value) ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
}

static const char *connector_rule_word(enum connector_rule rule)
{
        static const char *const words[] = {
                [RULE_SAME] = "must be ",         [RULE_LIST] = "must be ",
                [RULE_HOLDS] = "must hold ",      [RULE_UPTO] = "must be a number from 1 to ",
                [RULE_GIVEN] = "must be set to ", [RULE_SECRET] = "must be set to ",
        };
        return words[rule];
}

/* Whether it is as it must be; says so where it is not. */
static bool connector_compare_row(json_t *report, const struct cdc_names *names, const struct connector_row *row,
                                  const json_t *config)
{
        static const char advice[] = "put what `chard cdc config` prints to /connectors/NAME/config of Kafka Connect";
        const bool any = !names->database && connector_is(row, "database.dbname");
        JSON_OWNED json_t *wanted = connector_text(row, names);
        char *found = connector_found(config, row->key);
        const char *is = found ? found : row->unset;
        const bool fits = wanted && is && connector_fits(any ? RULE_GIVEN : row->rule, is, json_string_value(wanted));
        if (wanted && !fits)
                cdc_say(report, CDC_DIFFERS, (struct cdc_subject){ "connector", names->connector }, advice,
                        "%s is %s%s%.200s%s, and %s%s: else %s", row->key, found ? "" : "not set", found ? "\"" : "",
                        found ? found : "", found ? "\"" : "", connector_rule_word(row->rule),
                        json_string_value(wanted), row->harm);
        free(found);
        return fits;
}

void connector_compare(json_t *report, const struct cdc_names *names, const json_t *config)
{
        const struct cdc_subject of = { "connector", names->connector };
        size_t fit = 0;
        if (!json_is_object(config)) {
                cdc_say(report, CDC_DIFFERS, of, "is the URL of Kafka Connect right?",
                        "what Kafka Connect answers is no configuration");
                return;
        }
        for (size_t i = 0; i < CONNECTOR_ROWS; i++)
                fit += connector_compare_row(report, names, &connector_rows[i], config);
        if (fit == CONNECTOR_ROWS)
                cdc_say(report, CDC_OK, of, NULL, "%zu settings are as they must be", fit);
}

/* ---- how it does ---- */

static void connector_state(json_t *report, const struct cdc_names *names, const char *what, const json_t *one,
                            size_t *running)
{
        const char *state = json_text(one, "state", "UNKNOWN"), *trace = json_text(one, "trace", "");
        if (strcmp(state, "RUNNING") == 0) {
                (*running)++;
                return;
        }
        const bool paused = strcmp(state, "PAUSED") == 0 || strcmp(state, "STOPPED") == 0;
        cdc_say(report, CDC_DIFFERS, (struct cdc_subject){ "connector", names->connector },
                paused ? "PUT /connectors/NAME/resume"
                       : "mend the cause, then POST /connectors/NAME/restart?includeTasks=true",
                "its %s is %.40s%s%.*s", what, state, *trace ? ": " : "", (int)strcspn(trace, "\r\n"), trace);
}

void connector_status(json_t *report, const struct cdc_names *names, const json_t *status)
{
        const struct cdc_subject of = { "connector", names->connector };
        const json_t *connector = json_object_get(status, "connector"), *tasks = json_object_get(status, "tasks");
        size_t i, running = 0;
        json_t *task;
        if (!json_is_object(connector) || !json_is_array(tasks)) {
                cdc_say(report, CDC_DIFFERS, of, "is the URL of Kafka Connect right?",
                        "what Kafka Connect answers is no status");
                return;
        }
        connector_state(report, names, "connector", connector, &running);
        json_array_foreach(tasks, i, task)
                connector_state(report, names, "task", task, &running);
        if (i == 0)
                cdc_say(report, CDC_DIFFERS, of,
                        "look into Kafka Connect's log; POST /connectors/NAME/restart?includeTasks=true",
                        "it has no task: nothing is carried");
        else if (running == i + 1)
                cdc_say(report, CDC_OK, of, NULL, "it is running");
}

/* ---- how far it has come ---- */

/* The place in the log up to which it has read, by whichever of its numbers says most; -1: it says none. */
static json_int_t connector_furthest(const json_t *offset)
{
        static const char *const keys[] = { "lsn", "lsn_proc", "lsn_commit" };
        json_int_t furthest = -1;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                const json_int_t lsn = json_number(offset, keys[i], -1);
                furthest = lsn > furthest ? lsn : furthest;
        }
        return furthest;
}

void connector_offsets(json_t *report, const json_t *offsets, json_int_t confirmed)
{
        const struct cdc_subject of = { "slot", CDC_SLOT };
        const json_t *offset = json_object_get(json_array_get(json_object_get(offsets, "offsets"), 0), "offset");
        const json_int_t lsn = connector_furthest(offset), at_us = json_number(offset, "ts_usec", -1);
        char since[CLOCK_TEXT_SIZE] = "TIME", advice[256];
        if (lsn < 0 || confirmed < 0) {
                cdc_say(report, CDC_UNCHECKED, of, NULL,
                        "whether it was made anew: Kafka Connect does not say how far the connector has read");
                return;
        }
        if (confirmed <= lsn) {
                cdc_say(report, CDC_OK, of, NULL, "it is the one that the connector has read");
                return;
        }
        if (at_us > 0)
                clock_format(at_us / 1000 - CONNECTOR_SLACK_MS, since);
        snprintf(advice, sizeof(advice), "chard cdc backfill --since %s (docs/events.md, \"When a slot is lost\")",
                 since);
        cdc_say(report, CDC_DIFFERS, of, advice,
                "it was made anew, or somebody else has read it: %lld bytes of the log were never seen by the connector",
                (long long)(confirmed - lsn));
}
