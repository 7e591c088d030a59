/* SPDX-License-Identifier: Apache-2.0 */
#include "cdc/check.h"

#include "cdc/connector.h"
#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cdc_subject the_slot = { "slot", CDC_SLOT }, the_publication = { "publication", CDC_PUBLICATION };

#define PAGE "see docs/events.md, \"When a slot is lost\""

/* The member of an array that has this name, or NULL. */
static const json_t *check_named(const json_t *list, const char *name)
{
        size_t i;
        const json_t *one;
        json_array_foreach(list, i, one)
                if (strcmp(json_text(one, "name", ""), name) == 0)
                        return one;
        return NULL;
}

static bool check_is(const json_t *object, const char *key)
{
        return json_is_true(json_object_get(object, key));
}

/* ---- slot ---- */

/* What is wrong with its log, and what to do; NULL: nothing. */
static const char *check_wal(const char *status, const char **advice)
{
        *advice = "bring the connector back, or let it read faster; more max_slot_wal_keep_size gives it time";
        if (strcmp(status, "reserved") == 0 || strcmp(status, "extended") == 0)
                return NULL;
        if (strcmp(status, "unreserved") == 0)
                return "the log that it needs is about to be removed (wal_status unreserved)";
        *advice = "drop the slot, start the connector, which makes it anew, and republish: chard cdc backfill; " PAGE;
        return "the log that it needs is gone (wal_status lost)";
}

static size_t check_slot_faults(json_t *report, const json_t *slot, json_int_t most_lag)
{
        const size_t before = json_array_size(report);
        const char *plugin = json_text(slot, "plugin", "?"), *advice = NULL;
        const char *wal = check_wal(json_text(slot, "wal_status", "lost"), &advice);
        const json_int_t lag = json_number(slot, "lag", -1);
        if (strcmp(plugin, "pgoutput") != 0)
                cdc_say(report, CDC_DIFFERS, the_slot,
                        "drop the slot, set plugin.name to pgoutput and start the connector, which makes it anew; " PAGE,
                        "its plug-in is %.60s, and must be pgoutput", plugin);
        if (wal)
                cdc_say(report, CDC_DIFFERS, the_slot, advice, "%s", wal);
        if (!check_is(slot, "active"))
                cdc_say(report, CDC_DIFFERS, the_slot,
                        "start the connector; drop the slot if none is to come: the database keeps its log for it",
                        "nobody reads it");
        if (lag > most_lag)
                cdc_say(report, CDC_DIFFERS, the_slot, "look whether the connector runs and Kafka takes its records",
                        "it is %lld bytes behind; %lld are the most", (long long)lag, (long long)most_lag);
        return json_array_size(report) - before;
}

static void check_slot(json_t *report, const json_t *store, json_int_t most_lag)
{
        const json_t *slot = check_named(json_object_get(store, "slots"), CDC_SLOT);
        if (!slot) {
                cdc_say(report, CDC_DIFFERS, the_slot,
                        "start the connector, which makes it, then republish what it missed: chard cdc backfill; " PAGE,
                        "there is none: what happens now is carried nowhere");
                return;
        }
        if (check_slot_faults(report, slot, most_lag) == 0)
                cdc_say(report, CDC_OK, the_slot, NULL, "pgoutput, is read, wal_status %s, %lld bytes behind",
                        json_text(slot, "wal_status", "?"), (long long)json_number(slot, "lag", 0));
}

json_int_t cdc_slot_confirmed(const json_t *store)
{
        return json_number(check_named(json_object_get(store, "slots"), CDC_SLOT), "confirmed", -1);
}

/* ---- publication ---- */

static bool check_has_table(const json_t *tables, const char *name)
{
        size_t i;
        const json_t *one;
        json_array_foreach(tables, i, one)
                if (json_is_string(one) && strcmp(json_string_value(one), name) == 0)
                        return true;
        return false;
}

static void check_publication(json_t *report, const json_t *store)
{
        const json_t *p = check_named(json_object_get(store, "publications"), CDC_PUBLICATION);
        const json_t *tables = json_object_get(p, "tables");
        const size_t before = json_array_size(report);
        if (!p) {
                cdc_say(report, CDC_DIFFERS, the_publication,
                        "as the database's owner: create publication " CDC_PUBLICATION
                        " for table chard.outbox, chard.heartbeat with (publish = 'insert, update', publish_via_partition_root = true)",
                        "there is none");
                return;
        }
        if (json_array_size(tables) != 2 || !check_has_table(tables, "chard.outbox") ||
            !check_has_table(tables, "chard.heartbeat")) {
                char *said = json_dumps(tables, JSON_ENCODE_ANY | JSON_COMPACT);
                cdc_say(report, CDC_DIFFERS, the_publication,
                        "alter publication " CDC_PUBLICATION " set table chard.outbox, chard.heartbeat",
                        "its tables are %.300s, and must be chard.outbox and chard.heartbeat alone", said ? said : "?");
                free(said);
        }
        if (!check_is(p, "insert") || !check_is(p, "update") || check_is(p, "delete") || check_is(p, "truncate"))
                cdc_say(report, CDC_DIFFERS, the_publication,
                        "alter publication " CDC_PUBLICATION " set (publish = 'insert, update')",
                        "it must publish insert and update, and nothing else");
        if (!check_is(p, "via_root"))
                cdc_say(report, CDC_DIFFERS, the_publication,
                        "alter publication " CDC_PUBLICATION " set (publish_via_partition_root = true)",
                        "events come under the names of the outbox's partitions, which the connector does not know");
        if (json_array_size(report) == before)
                cdc_say(report, CDC_OK, the_publication, NULL, "outbox and heartbeat, inserts and updates");
}

void cdc_check_store(json_t *report, const json_t *store, json_int_t most_lag)
{
        const char *level = json_text(store, "wal_level", "?");
        if (!json_is_object(store)) {
                cdc_say(report, CDC_UNCHECKED, (struct cdc_subject){ "store", "" }, NULL,
                        "the store is a file, from which no connector reads; consumers do: chard consume");
                return;
        }
        if (strcmp(level, "logical") == 0)
                cdc_say(report, CDC_OK, (struct cdc_subject){ "store", "" }, NULL, "wal_level is logical");
        else
                cdc_say(report, CDC_DIFFERS, (struct cdc_subject){ "store", "" },
                        "alter system set wal_level = logical, and restart PostgreSQL", "wal_level is %.40s", level);
        check_slot(report, store, most_lag);
        check_publication(report, store);
}

/* ---- topics ---- */

/* One topic: what it is called, what Kafka says of it, and how many copies there can be. */
struct check_topic {
        struct cdc_subject of;
        const json_t *seen;
        json_int_t brokers, copies;
};

static void check_missing(json_t *report, const struct check_topic *t)
{
        char advice[400];
        snprintf(
                advice, sizeof(advice),
                "kafka-topics.sh --create --topic %.100s --partitions %d --replication-factor %d --config retention.ms=%lld",
                t->of.name, CDC_PARTITIONS, (int)t->copies, CDC_RETENTION_MS);
        cdc_say(report, CDC_DIFFERS, t->of, advice, "it is missing");
}

static void check_layout(json_t *report, const struct check_topic *t)
{
        const json_int_t partitions = json_number(t->seen, "partitions", 0),
                         replicas = json_number(t->seen, "replicas", 0);
        char advice[400];
        snprintf(
                advice, sizeof(advice),
                "kafka-topics.sh --alter --topic %.100s --partitions %d, while no consumer is behind: keys change their partition",
                t->of.name, CDC_PARTITIONS);
        if (partitions < CDC_PARTITIONS)
                cdc_say(report, CDC_DIFFERS, t->of, advice, "it has %lld partitions, and must have %d at least",
                        (long long)partitions, CDC_PARTITIONS);
        if (replicas < t->copies)
                cdc_say(report, CDC_DIFFERS, t->of, "kafka-reassign-partitions.sh",
                        "it has %lld replicas, and must have %lld on these %lld brokers", (long long)replicas,
                        (long long)t->copies, (long long)t->brokers);
}

static void check_keeping(json_t *report, const struct check_topic *t)
{
        const json_int_t kept = json_number(t->seen, "retention_ms", -2); /* -1 = for good */
        const char *cleanup = json_text(t->seen, "cleanup", "delete");
        char advice[400];
        snprintf(
                advice, sizeof(advice),
                "kafka-configs.sh --alter --entity-type topics --entity-name %.100s --add-config retention.ms=%lld,cleanup.policy=delete",
                t->of.name, CDC_RETENTION_MS);
        if (kept == -2)
                cdc_say(report, CDC_UNCHECKED, t->of, NULL, "its settings: %s",
                        json_text(t->seen, "refused", "Kafka does not say them"));
        else if (kept >= 0 && kept < CDC_RETENTION_MS)
                cdc_say(report, CDC_DIFFERS, t->of, advice, "it keeps records for %lld ms, and must keep them for %lld",
                        (long long)kept, CDC_RETENTION_MS);
        if (strcmp(cleanup, "delete") != 0)
                cdc_say(report, CDC_DIFFERS, t->of, advice,
                        "its cleanup.policy is %.40s: of an aggregate's events the last one alone is kept", cleanup);
}

static void check_one_topic(json_t *report, const struct check_topic *t)
{
        const size_t before = json_array_size(report);
        if (!t->seen) {
                check_missing(report, t);
                return;
        }
        check_layout(report, t);
        check_keeping(report, t);
        if (json_array_size(report) == before)
                cdc_say(report, CDC_OK, t->of, NULL, "%lld partitions, %lld replicas, kept for %lld ms",
                        (long long)json_number(t->seen, "partitions", 0),
                        (long long)json_number(t->seen, "replicas", 0),
                        (long long)json_number(t->seen, "retention_ms", 0));
}

void cdc_check_topics(json_t *report, const json_t *kafka, const json_t *wanted)
{
        const json_int_t brokers = json_number(kafka, "brokers", 0);
        size_t i;
        const json_t *name;
        json_array_foreach(wanted, i, name) {
                const char *text = json_string_value(name);
                const struct check_topic t = { .of = { "topic", text },
                                               .seen = check_named(json_object_get(kafka, "topics"), text),
                                               .brokers = brokers,
                                               .copies = brokers < CDC_REPLICAS ? brokers : CDC_REPLICAS };
                check_one_topic(report, &t);
        }
}
