/* SPDX-License-Identifier: Apache-2.0 */
/* Change data capture: what a connector, a slot, a publication and topics are told, whatever they say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cdc/check.h"
#include "cdc/connector.h"
#include "core/json.h"
#include "tests/unit/short_memory.h"

#include <string.h>

static const struct cdc_names names = { .connector = "chard-outbox", .prefix = "chard.", .database = "chard" };

static json_t *cdc_test_value(const char *text)
{
        json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        if (text && !value)
                fail_msg("no JSON: %s", text);
        return value;
}

/* The report has one line that is no "ok", and it says so; NULL: it has none. Takes the report. */
static void expect(json_t *report, const char *what, const char *verdict, const char *said, const char *advice)
{
        size_t i, others = 0;
        const json_t *line, *found = NULL;
        json_array_foreach(report, i, line)
                if (strcmp(json_text(line, "verdict", ""), "ok") != 0) {
                        others++;
                        found = line;
                }
        if (holds_unless_short(others == (verdict ? 1 : 0)) && verdict) {
                holds_unless_short(strcmp(json_text(found, "verdict", ""), verdict) == 0);
                if (!holds_unless_short(strstr(json_text(found, "text", ""), said) != NULL) ||
                    !holds_unless_short(!advice || strstr(json_text(found, "advice", ""), advice)))
                        print_message("%s: %s -> %s\n", what, json_text(found, "text", ""),
                                      json_text(found, "advice", ""));
        }
        json_decref(report);
}

/* ---- the connector ---- */

static void test_each_setting_of_the_connector(void **state)
{
        static const struct {
                const char *key, *value; /* JSON; NULL: not there */
                const char *said;        /* NULL: nothing */
        } rows[] = {
                { "name", "\"chard-outbox\"", NULL },
                { "max.batch.size", "\"4096\"", NULL }, /* the operator's */
                { "connector.class", "\"io.debezium.connector.mysql.MySqlConnector\"",
                  "connector.class is \"io.debezium.connector.mysql" },
                { "tasks.max", NULL, NULL },
                { "tasks.max", "1", NULL }, /* a number */
                { "tasks.max", "\"2\"", "tasks.max is \"2\", and must be 1" },
                { "plugin.name", NULL, "plugin.name is not set, and must be pgoutput" },
                { "plugin.name", "null", "plugin.name is not set" },
                { "plugin.name", "\"wal2json\"", "plugin.name is \"wal2json\"" },
                { "database.hostname", "\"elsewhere\"", NULL },
                { "database.hostname", NULL, "database.hostname is not set" },
                { "database.port", NULL, NULL },
                { "database.password", NULL, NULL },
                { "database.password", "\"\"", "database.password is \"\"" },
                { "database.dbname", "\"other\"", "database.dbname is \"other\", and must be chard" },
                { "slot.name", "\"debezium\"", "slot.name is \"debezium\"" },
                { "slot.drop.on.stop", NULL, NULL },
                { "slot.drop.on.stop", "\"true\"", "events are lost at each stop" },
                { "publication.name", NULL, "publication.name is not set" },
                { "publication.autocreate.mode", "\"filtered\"", "it changes the publication" },
                { "table.include.list", "\" chard.heartbeat , chard.outbox\"", NULL },
                { "table.include.list", "\"chard.outbox\"", "table.include.list is" },
                { "table.include.list", "\"chard.outbox,chard.heartbeat,chard.job\"", "table.include.list is" },
                { "snapshot.mode", NULL, "snapshot.mode is not set" },
                { "heartbeat.interval.ms", "\"1000\"", NULL },
                { "heartbeat.interval.ms", "\"0\"",
                  "must be a number from 1 to 5000: else an idle database keeps its log" },
                { "heartbeat.interval.ms", "\"5s\"", "heartbeat.interval.ms is \"5s\"" },
                { "heartbeat.interval.ms", NULL, "heartbeat.interval.ms is not set" },
                { "heartbeat.action.query", NULL, "an idle database keeps its log" },
                { "errors.tolerance", "\"all\"", "events are left out in silence" },
                { "value.converter.schemas.enable", NULL, "the payload is wrapped" },
                { "transforms", "\"outbox\"", "lack the headers of CloudEvents" },
                { "transforms", "\"outbox,mask\"", "transforms is \"outbox,mask\"" },
                { "transforms.outbox.table.fields.additional.placement",
                  "\"tracingspancontext:header:tracingspancontext, type:header:eventType, backfill:header:backfill, id:header:ce_id,"
                  "type:header:ce_type, aggregateid:header:ce_subject, created_at:header:ce_time, payload:header:x\"",
                  NULL },
                { "transforms.ceSource.value.literal", "\"https://example.com/orders\"", NULL },
                { "transforms.ceVersion.static.value", "\"0.3\"", "no CloudEvents" },
                { "transforms.outbox.table.fields.additional.placement", "\"type:header:eventType\"",
                  "its trace, or that it comes once more" },
                { "transforms.outbox.route.topic.replacement", "\"events.${routedByValue}\"",
                  "must be chard.${routedByValue}" },
                { "predicates.isOutbox.pattern", "\"chard.outbox\"", "must be chard\\.chard\\.outbox" },
                { "predicates.isOutbox.pattern", "{\"a\":[1]}", "is \"{\"a\":[1]}\"" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *config = connector_config(&names), *report = json_array();
                if (rows[i].value)
                        json_object_set_new(config, rows[i].key, cdc_test_value(rows[i].value));
                else
                        json_object_del(config, rows[i].key);
                connector_compare(report, &names, config);
                expect(report, rows[i].key, rows[i].said ? "differs" : NULL, rows[i].said, "chard cdc config");
                json_decref(config);
        }
}

static void test_what_is_printed_is_what_is_wanted(void **state)
{
        static const struct cdc_names own = { "x", "events.", "db.internal", "5433", "cdc", "prod" };
        (void)state;
        json_t *config = connector_config(&own), *report = json_array();
        if (holds_unless_short(config != NULL)) {
                assert_string_equal(json_text(config, "database.hostname", ""), "db.internal");
                assert_string_equal(json_text(config, "database.port", ""), "5433");
                assert_string_equal(json_text(config, "database.dbname", ""), "prod");
                holds_unless_short(strcmp(json_text(config, "transforms.outbox.route.topic.replacement", ""),
                                          "events.${routedByValue}") == 0);
        }
        connector_compare(report, &own, config);
        expect(report, "own", config ? NULL : "differs", "no configuration", NULL);
        json_decref(config);
}

static void test_no_password_is_said(void **state)
{
        (void)state;
        json_t *config = connector_config(&names), *report = json_array();
        json_object_set_new(config, "database.password", json_string("hunter2"));
        json_object_set_new(config, "database.hostname", json_string(""));
        connector_compare(report, &names, config);
        char *text = json_dumps(report, 0);
        assert_true(!text || !strstr(text, "hunter2"));
        free(text);
        json_decref(report);
        json_decref(config);
}

static void test_what_is_no_answer_of_connect(void **state)
{
        static const char *const answers[] = { NULL, "null", "[]", "7", "\"x\"", "[{\"connector\":{}}]" };
        (void)state;
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                json_t *value = cdc_test_value(answers[i]), *report = json_array(), *other = json_array();
                connector_compare(report, &names, value);
                expect(report, "config", "differs", "no configuration", "is the URL of Kafka Connect right?");
                connector_status(other, &names, value);
                expect(other, "status", "differs", "no status", "is the URL of Kafka Connect right?");
                json_decref(value);
        }
}

static void test_how_the_connector_does(void **state)
{
#define RUNNING "\"connector\":{\"state\":\"RUNNING\",\"worker_id\":\"w:8083\"}"
        static const struct {
                const char *status, *said, *advice;
        } rows[] = {
                { "{" RUNNING ",\"tasks\":[{\"id\":0,\"state\":\"RUNNING\"}]}", NULL, NULL },
                { "{" RUNNING ",\"tasks\":[]}", "it has no task", "restart" },
                { "{" RUNNING ",\"tasks\":[{\"id\":0,\"state\":\"FAILED\",\"trace\":\"org.Broken: why\\n\\tat x\"}]}",
                  "its task is FAILED: org.Broken: why", "mend the cause" },
                { "{" RUNNING ",\"tasks\":[{\"id\":0}]}", "its task is UNKNOWN", "restart" },
                { "{" RUNNING ",\"tasks\":[7]}", "its task is UNKNOWN", "restart" },
                { "{\"connector\":{\"state\":\"PAUSED\"},\"tasks\":[{\"state\":\"RUNNING\"}]}",
                  "its connector is PAUSED", "resume" },
                { "{" RUNNING "}", "no status", NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *status = cdc_test_value(rows[i].status), *report = json_array();
                connector_status(report, &names, status);
                expect(report, rows[i].status, rows[i].said ? "differs" : NULL, rows[i].said, rows[i].advice);
                json_decref(status);
        }
}

static void test_a_slot_that_was_made_anew(void **state)
{
#define OFFSETS(offset) "{\"offsets\":[{\"partition\":{\"server\":\"chard\"},\"offset\":" offset "}]}"
        static const struct {
                const char *offsets;
                json_int_t confirmed;
                const char *verdict, *said, *advice;
        } rows[] = {
                { OFFSETS("{\"lsn\":5000,\"ts_usec\":1796000000123456}"), 5000, NULL, NULL, NULL },
                { OFFSETS("{\"lsn\":5000,\"ts_usec\":1796000000123456}"), 4000, NULL, NULL, NULL },
                { OFFSETS("{\"lsn\":5000,\"ts_usec\":1796000000123456}"), 5100, "differs",
                  "100 bytes of the log were never seen", "chard cdc backfill --since 2026-11-30T00:52:20.123+00:00" },
                { OFFSETS("{\"lsn\":5000}"), 5100, "differs", "made anew", "--since TIME" },
                { OFFSETS("{\"lsn\":5000}"), -1, "unchecked", "does not say", NULL },
                { OFFSETS("{\"lsn\":\"x\"}"), 5, "unchecked", "does not say", NULL },
                { "{\"offsets\":[]}", 5, "unchecked", "does not say", NULL },
                { "[7]", 5, "unchecked", "does not say", NULL },
                { NULL, 5, "unchecked", "does not say", NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *offsets = cdc_test_value(rows[i].offsets), *report = json_array();
                connector_offsets(report, offsets, rows[i].confirmed);
                expect(report, rows[i].offsets ? rows[i].offsets : "none", rows[i].verdict, rows[i].said,
                       rows[i].advice);
                json_decref(offsets);
        }
}

/* ---- slot and publication ---- */

#define SLOT(more)                                                                                        \
        "{\"name\":\"chard_outbox\",\"plugin\":\"pgoutput\",\"active\":true,\"wal_status\":\"reserved\"," \
        "\"lag\":100,\"confirmed\":77" more "}"
#define PUBLICATION(more)                                                                                 \
        "{\"name\":\"chard_outbox\",\"insert\":true,\"update\":true,\"delete\":false,\"truncate\":false," \
        "\"via_root\":true,\"tables\":[\"chard.heartbeat\",\"chard.outbox\"]" more "}"
#define STORE(slots, publications) \
        "{\"wal_level\":\"logical\",\"slots\":[" slots "],\"publications\":[" publications "]}"

static void test_slot_and_publication(void **state)
{
        static const struct {
                const char *store, *verdict, *said, *advice;
        } rows[] = {
                { STORE(SLOT(""), PUBLICATION("")), NULL, NULL, NULL },
                { STORE(SLOT(",\"wal_status\":\"extended\""), PUBLICATION("")), NULL, NULL, NULL },
                { STORE(SLOT(",\"wal_status\":\"unreserved\""), PUBLICATION("")), "differs", "about to be removed",
                  "bring the connector back" },
                { STORE(SLOT(",\"wal_status\":\"lost\""), PUBLICATION("")), "differs", "is gone",
                  "chard cdc backfill" },
                { STORE(SLOT(",\"wal_status\":null"), PUBLICATION("")), "differs", "is gone", "chard cdc backfill" },
                { STORE(SLOT(",\"active\":false"), PUBLICATION("")), "differs", "nobody reads it",
                  "start the connector" },
                { STORE(SLOT(",\"lag\":1001"), PUBLICATION("")), "differs", "1001 bytes behind; 1000 are the most",
                  "Kafka" },
                { STORE(SLOT(",\"plugin\":\"test_decoding\""), PUBLICATION("")), "differs",
                  "its plug-in is test_decoding", "pgoutput" },
                { STORE("{\"name\":\"other\"}", PUBLICATION("")), "differs", "carried nowhere", "chard cdc backfill" },
                { STORE(SLOT(""), ""), "differs", "there is none", "create publication chard_outbox" },
                { STORE(SLOT(""), PUBLICATION(",\"tables\":[\"chard.outbox\"]")), "differs",
                  "its tables are [\"chard.outbox\"]", "set table" },
                { STORE(SLOT(""), PUBLICATION(",\"tables\":[\"chard.outbox\",\"chard.job\"]")), "differs",
                  "its tables are", "set table" },
                { STORE(SLOT(""), PUBLICATION(",\"delete\":true")), "differs", "nothing else",
                  "publish = 'insert, update'" },
                { STORE(SLOT(""), PUBLICATION(",\"update\":false")), "differs", "nothing else",
                  "publish = 'insert, update'" },
                { STORE(SLOT(""), PUBLICATION(",\"via_root\":false")), "differs", "partitions",
                  "publish_via_partition_root" },
                { STORE(SLOT(""), PUBLICATION("") "],\"wal_level\":[\"replica\""), "differs", "wal_level is ?",
                  "wal_level = logical" },
                { "null", "unchecked", "the store is a file", NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *store = cdc_test_value(rows[i].store), *report = json_array();
                cdc_check_store(report, store, 1000);
                expect(report, rows[i].store, rows[i].verdict, rows[i].said, rows[i].advice);
                json_decref(store);
        }
}

static void test_up_to_where_the_slot_was_read(void **state)
{
        json_t *store = cdc_test_value(STORE(SLOT(""), "")), *none = cdc_test_value(STORE("", ""));
        (void)state;
        assert_int_equal(cdc_slot_confirmed(store), 77);
        assert_int_equal(cdc_slot_confirmed(none), -1);
        assert_int_equal(cdc_slot_confirmed(NULL), -1);
        json_decref(store);
        json_decref(none);
}

/* ---- topics ---- */

#define TOPIC(partitions, replicas, retention)                                                                         \
        "{\"name\":\"chard.scan\",\"partitions\":" partitions ",\"replicas\":" replicas ",\"retention_ms\":" retention \
        ",\"cleanup\":\"delete\"}"
#define KAFKA(brokers, topics) "{\"brokers\":" brokers ",\"topics\":[" topics "]}"

static void test_topics(void **state)
{
        static const struct {
                const char *kafka, *verdict, *said, *advice;
        } rows[] = {
                { KAFKA("1", TOPIC("3", "1", "604800000")), NULL, NULL, NULL },
                { KAFKA("5", TOPIC("6", "3", "-1")), NULL, NULL, NULL },
                { KAFKA("3", ""), "differs", "it is missing",
                  "--topic chard.scan --partitions 3 --replication-factor 3 --config retention.ms=604800000" },
                { KAFKA("1", TOPIC("1", "1", "604800000")), "differs", "1 partitions, and must have 3",
                  "--alter --topic chard.scan --partitions 3" },
                { KAFKA("2", TOPIC("3", "1", "604800000")), "differs", "1 replicas, and must have 2 on these 2 brokers",
                  "reassign" },
                { KAFKA("3", TOPIC("3", "2", "604800000")), "differs", "2 replicas, and must have 3", "reassign" },
                { KAFKA("1", TOPIC("3", "1", "86400000")), "differs", "keeps records for 86400000 ms",
                  "--add-config retention.ms=604800000" },
                { KAFKA("1",
                        "{\"name\":\"chard.scan\",\"partitions\":3,\"replicas\":1,\"retention_ms\":-1,\"cleanup\":\"compact\"}"),
                  "differs", "cleanup.policy is compact", "cleanup.policy=delete" },
                { KAFKA("1",
                        "{\"name\":\"chard.scan\",\"partitions\":3,\"replicas\":1,\"refused\":\"not authorized\"}"),
                  "unchecked", "not authorized", NULL },
        };
        (void)state;
        json_t *wanted = cdc_test_value("[\"chard.scan\"]");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *kafka = cdc_test_value(rows[i].kafka), *report = json_array();
                cdc_check_topics(report, kafka, wanted);
                expect(report, rows[i].kafka, rows[i].verdict, rows[i].said, rows[i].advice);
                json_decref(kafka);
        }
        json_decref(wanted);
}

/* What stands in a line is text, whatever was cut or sent. */
static void test_lines_are_text(void **state)
{
        json_t *report = json_array();
        (void)state;
        cdc_say(report, CDC_OK, (struct cdc_subject){ "topic", "" }, NULL, "%.2s|%s", "\xc3\xa9\xc3", "\xff");
        cdc_say(report, CDC_DIFFERS, (struct cdc_subject){ "topic", "" }, NULL, "%.1s|", "\xc3\xa9");
        if (holds_unless_short(json_array_size(report) == 2)) {
                holds_unless_short(strcmp(json_text(json_array_get(report, 0), "text", ""), "\xc3\xa9|?") == 0);
                holds_unless_short(strcmp(json_text(json_array_get(report, 1), "text", ""), "?|") == 0);
                assert_int_equal(cdc_count(report, CDC_OK), 1);
                assert_int_equal(cdc_count(report, CDC_UNCHECKED), 0);
        }
        json_decref(report);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_setting_of_the_connector),
                cmocka_unit_test(test_what_is_printed_is_what_is_wanted),
                cmocka_unit_test(test_no_password_is_said),
                cmocka_unit_test(test_what_is_no_answer_of_connect),
                cmocka_unit_test(test_how_the_connector_does),
                cmocka_unit_test(test_a_slot_that_was_made_anew),
                cmocka_unit_test(test_slot_and_publication),
                cmocka_unit_test(test_up_to_where_the_slot_was_read),
                cmocka_unit_test(test_topics),
                cmocka_unit_test(test_lines_are_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
