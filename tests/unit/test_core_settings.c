/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings/settings.h"
#include "core/settings/table.h"
#include "core/text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_WORDS = 16 };

/* What a sub-command might have for itself. */
struct own {
        bool json, all;
        const char *wait;
};

struct load {
        char *storage[2], *environment[MOST_WORDS + 1], *argv[MOST_WORDS + 1];
        struct own own;
        struct settings settings;
        struct problem why;
        int operands, refused;
};

/* Cut at single spaces; the words live in *storage. */
static int split(const char *text, char **storage, char *words[MOST_WORDS + 1])
{
        int count = 0;
        *storage = strdup(text);
        assert_non_null(*storage);
        for (char *at = *storage, *word; (word = strsep(&at, " "));)
                if (*text && count < MOST_WORDS)
                        words[count++] = word;
        words[count] = NULL;
        return count;
}

/* `environment` and `words` are separated by spaces. */
static void load(struct load *l, const char *environment, const char *words)
{
        *l = (struct load){ .operands = -1 };
        const struct own_flag own[] = {
                { "--json", 'j', &l->own.json, NULL, NULL, "print JSON" },
                { "--all", 0, &l->own.all, NULL, NULL, "everything" },
                { "--wait", 'w', NULL, &l->own.wait, "SECONDS", "wait for the end" },
                { NULL, 0, NULL, NULL, NULL, NULL },
        };
        char **const before = environ;
        split(environment, &l->storage[0], l->environment);
        const int argc = split(words, &l->storage[1], l->argv);
        environ = l->environment;
        l->refused = settings_load(&l->settings, own, l->argv, argc, &l->operands, &l->why);
        environ = before;
}

static void unload(struct load *l)
{
        settings_free(&l->settings);
        free(l->storage[0]);
        free(l->storage[1]);
}

/* A setting as one would type it. */
static const char *shown(const struct settings *s, const char *flag, char text[32])
{
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const struct setting *row = &setting_table[i];
                const char *at = (const char *)s + row->offset;
                if (strcmp(row->flag, flag) != 0)
                        continue;
                if (row->kind == NUMBER)
                        snprintf(text, 32, "%ld", *(const long *)(const void *)at);
                if (row->kind == NUMBER)
                        return text;
                return row->kind == SWITCH ? (*(const bool *)at ? "yes" : "no") : *(char *const *)(const void *)at;
        }
        fail_msg("no setting %s", flag);
        return NULL;
}

static void are_operands(const struct load *l, const char *expected)
{
        char joined[256] = "";
        for (int i = 0; i < l->operands; i++) {
                strcat(joined, i ? " " : "");
                strcat(joined, l->argv[i]);
        }
        assert_string_equal(joined, expected);
}

static void every_setting_has_its_default(void **state)
{
        (void)state;
        struct load l;
        char text[32];
        load(&l, "", "");
        assert_int_equal(l.refused, 0);
        assert_int_equal(l.operands, 0);
        for (size_t i = 0; i < SETTING_COUNT; i++)
                assert_string_equal(shown(&l.settings, setting_table[i].flag, text), setting_table[i].otherwise);
        assert_int_equal(l.settings.slots, 1000);
        assert_string_equal(l.settings.broker_url, "");
        assert_false(l.settings.ai_http2_plain);
        unload(&l);
}

static void the_table_is_sound(void **state)
{
        (void)state;
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const struct setting *row = &setting_table[i];
                assert_memory_equal(row->flag, "--", 2);
                assert_true(row->offset < sizeof(struct settings));
                assert_true(strlen(row->env) < 50 && strlen(row->help) > 5);
                assert_int_equal(row->kind == CHOICE, row->choices[0] != NULL);
                assert_int_equal(row->kind == NUMBER, row->most != 0);
                for (size_t k = 0; k < i; k++) {
                        assert_string_not_equal(row->env, setting_table[k].env);
                        assert_string_not_equal(row->flag, setting_table[k].flag);
                        assert_true(!row->letter || row->letter != setting_table[k].letter);
                        assert_true(row->offset != setting_table[k].offset);
                }
        }
}

static void flags_and_environment_set_it(void **state)
{
        (void)state;
        static const struct {
                const char *environment, *words, *flag, *value, *operands;
        } rows[] = {
                /* flags: one word, two words, a letter */
                { "", "--slots=5", "--slots", "5", "" },
                { "", "--slots 5", "--slots", "5", "" },
                { "", "-c 5", "--slots", "5", "" },
                { "", "-c=5", "--slots", "5", "" },
                { "", "-Q a,b", "--queues", "a,b", "" },
                { "", "-n me@here", "--name", "me@here", "" },
                { "", "--slots 1", "--slots", "1", "" },
                { "", "--slots 65535", "--slots", "65535", "" },
                { "", "--name=", "--name", "", "" },
                { "", "--name=a=b", "--name", "a=b", "" },
                { "", "--name -5", "--name", "-5", "" },
                { "", "--name=--x", "--name", "--x", "" },
                { "", "--name -", "--name", "-", "" },
                { "", "--slots 5 --slots 6", "--slots", "6", "" },
                { "", "--openai-api-key sk-1", "--openai-api-key", "sk-1", "" },
                /* switches */
                { "", "--ai-http2-plain", "--ai-http2-plain", "yes", "" },
                { "", "--ai-http2-plain=no", "--ai-http2-plain", "no", "" },
                { "", "--ai-http2-plain=on", "--ai-http2-plain", "yes", "" },
                { "CHARD_AI_HTTP2_PLAIN=true", "", "--ai-http2-plain", "yes", "" },
                { "CHARD_AI_HTTP2_PLAIN=1", "--ai-http2-plain=off", "--ai-http2-plain", "no", "" },
                { "", "--ai-http2-plain no", "--ai-http2-plain", "yes", "no" },
                /* choices */
                { "", "--log-level debug", "--log-level", "debug", "" },
                { "CHARD_LOG_FORMAT=json", "", "--log-format", "json", "" },
                { "", "--ai-provider=", "--ai-provider", "", "" },
                /* a flag wins over the environment, the environment over the default */
                { "CHARD_SLOTS=7", "", "--slots", "7", "" },
                { "CHARD_SLOTS=7", "-c 8", "--slots", "8", "" },
                { "OPENAI_API_KEY=sk-2", "", "--openai-api-key", "sk-2", "" },
                { "CHARD_NAME=x", "--name=", "--name", "", "" },
                /* an empty variable is one that is not set */
                { "CHARD_SLOTS=", "", "--slots", "1000", "" },
                { "CHARD_STORE_URL=", "", "--store-url", "", "" },
                { "CHARD_NAME_FILE=", "", "--name", "", "" },
                /* other words come to the front, in order */
                { "", "a --slots 5 b", "--slots", "5", "a b" },
                { "", "--slots=5 a b", "--slots", "5", "a b" },
                { "", "a b --slots 5 c -j d", "--slots", "5", "a b c d" },
                { "", "a - b", "--slots", "1000", "a - b" },
                { "", "a=b key=--slots", "--slots", "1000", "a=b key=--slots" },
                { "", "-- --slots 5", "--slots", "1000", "--slots 5" },
                { "", "a --slots 5 -- --slots -- 6", "--slots", "5", "a --slots -- 6" },
                { "", "--", "--slots", "1000", "" },
                /* not ours */
                { "HOME=/ CHARDS=1 chard_slots=2 OPENAI_ORG_ID=x PATH=", "", "--slots", "1000", "" },
                { "CHARD_TEST_SERVERS=1 CHARD_FAULT=claim CHARD_FAULT_POINTS=2", "", "--slots", "1000", "" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct load l;
                char text[32];
                load(&l, rows[i].environment, rows[i].words);
                if (l.refused)
                        fail_msg("%s %s: %s", rows[i].environment, rows[i].words, l.why.text);
                if (strcmp(shown(&l.settings, rows[i].flag, text), rows[i].value) != 0)
                        fail_msg("%s %s: %s is %s", rows[i].environment, rows[i].words, rows[i].flag,
                                 shown(&l.settings, rows[i].flag, text));
                are_operands(&l, rows[i].operands);
                unload(&l);
        }
}

/* `text` must be part of what the user is told. */
static void mistakes_are_named(void **state)
{
        (void)state;
        static const struct {
                const char *environment, *words, *code, *text;
        } rows[] = {
                { "", "--brokr-url x", "usage", "unknown flag --brokr-url; did you mean --broker-url?" },
                { "", "--brokr-url=amqp://u:secret@h", "usage", "unknown flag --brokr-url; did you mean" },
                { "", "--jsn", "usage", "unknown flag --jsn; did you mean --json?" },
                { "", "--frobnicate", "usage", "unknown flag --frobnicate; see --help" },
                { "", "-x", "usage", "unknown flag -x; see --help" },
                { "", "-c5", "usage", "unknown flag -c5" },
                { "", "--=5", "usage", "unknown flag --;" },
                { "", "--slots", "usage", "--slots needs a value" },
                { "", "a -c", "usage", "-c needs a value" },
                { "", "--wait", "usage", "--wait needs a value" },
                { "", "--name --slots 5", "usage", "--name needs a value" },
                { "", "--name -- a", "usage", "--name needs a value" },
                { "", "-Q -c 5", "usage", "-Q needs a value" },
                { "", "--json=yes", "usage", "--json takes no value" },
                { "", "-j=yes", "usage", "-j takes no value" },
                /* values */
                { "", "--slots=", "bad_setting", "--slots: \"\" is not a whole number" },
                { "", "--name=a\nb", "bad_setting", "--name: a name has no line break or other control character" },
                { "", "--slots 0", "bad_setting", "--slots: 0 is out of range 1 … 65535" },
                { "", "--slots -5", "bad_setting", "--slots: -5 is out of range 1 … 65535" },
                { "", "--slots 65536", "bad_setting", "--slots: 65536 is out of range 1 … 65535" },
                { "", "--slots 99999999999999999999", "bad_setting", "--slots: 99999999999999999999 is out of range" },
                { "", "--slots 5x", "bad_setting", "--slots: \"5x\" is not a whole number" },
                { "", "--slots 1.5", "bad_setting", "\"1.5\" is not a whole number" },
                { "", "--slots 0x10", "bad_setting", "\"0x10\" is not a whole number" },
                { "", "--slots +5", "bad_setting", "\"+5\" is not a whole number" },
                { "", "--slots=\t5", "bad_setting", "is not a whole number" },
                { "", "--slots=-", "bad_setting", "\"-\" is not a whole number" },
                { "", "--log-level trace", "bad_setting", "\"trace\"; one of: debug, info, warn, error" },
                { "", "--log-level debgu", "bad_setting", "unknown value \"debgu\"; did you mean \"debug\"?" },
                { "", "--log-format xml", "bad_setting", "\"xml\"; one of: text, json" },
                { "", "--ai-provider magic", "bad_setting", "\"magic\"; one of: openai, offline" },
                { "", "--ai-provider Offline", "bad_setting", "did you mean \"offline\"?" },
                { "", "--ai-http2-plain=maybe", "bad_setting", "\"maybe\" is neither yes nor no" },
                /* the environment: named as it was given */
                { "CHARD_SLOTS=many", "", "bad_setting", "CHARD_SLOTS: \"many\" is not a whole number" },
                { "CHARD_BROKER_ULR=x", "", "bad_setting",
                  "unknown setting CHARD_BROKER_ULR in the environment; did you mean CHARD_BROKER_URL?" },
                { "CHARD_OPENAI_API_KEY=sk-3", "", "bad_setting", "did you mean OPENAI_API_KEY?" },
                { "CHARD_FROBNICATE=1", "", "bad_setting",
                  "CHARD_FROBNICATE in the environment; see: chard help settings" },
                { "CHARD_SLOTS_FIL=x", "", "bad_setting", "unknown setting CHARD_SLOTS_FIL" },
                { "CHARD_NAME_FILE=/nowhere/name", "", "bad_setting",
                  "CHARD_NAME_FILE: can't read \"/nowhere/name\": No such file" },
                { "CHARD_NAME_FILE=/", "", "bad_setting", "CHARD_NAME_FILE: can't read \"/\": Is a directory" },
                { "CHARD_NAME_FILE=/dev/null", "", "bad_setting", "CHARD_NAME_FILE: \"/dev/null\" is empty" },
                { "CHARD_NAME_FILE=/dev/zero", "", "bad_setting", "CHARD_NAME_FILE: \"/dev/zero\"" },
                /* invalid UTF-8 is shown as '?' */
                { "", "--slots=\xff", "bad_setting", "\"?\" is not a whole number" },
                { "", "--\xed\x95\x9c\xff", "usage", "unknown flag --\xed\x95\x9c?" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct load l;
                load(&l, rows[i].environment, rows[i].words);
                if (l.refused != 1 || !strstr(l.why.text, rows[i].text))
                        fail_msg("%s %s: %d \"%s\"", rows[i].environment, rows[i].words, l.refused, l.why.text);
                assert_null(strstr(l.why.text, "secret"));
                assert_null(strstr(l.why.text, "sk-"));
                assert_string_equal(l.why.source, "settings");
                assert_string_equal(l.why.code, rows[i].code);
                assert_int_equal(l.operands < 0, 0);
                for (size_t at = 0, size; l.why.text[at]; at += size)
                        assert_true(utf8_next(l.why.text + at, &size));
                unload(&l);
        }
}

/* Kubernetes puts these into each pod for each service of its namespace: "chard", "chard-gateway". */
static void variables_of_service_links_are_not_ours(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "CHARD_SERVICE_HOST=10.0.0.1",
                "CHARD_SERVICE_PORT=8080",
                "CHARD_SERVICE_PORT_HTTP=8080",
                "CHARD_PORT=tcp://10.0.0.1:8080",
                "CHARD_PORT_8080_TCP=tcp://10.0.0.1:8080",
                "CHARD_PORT_8080_TCP_PROTO=tcp",
                "CHARD_PORT_8080_TCP_PORT=8080",
                "CHARD_PORT_8080_TCP_ADDR=10.0.0.1",
                "CHARD_GATEWAY_SERVICE_HOST=10.0.0.1",
                "CHARD_GATEWAY_PORT=udp://10.0.0.1:53",
                "CHARD_PORTAL_PORT=tcp://10.0.0.1:80",
                "CHARD_PORTAL_PORT_80_TCP_ADDR=10.0.0.1",
        };
        static const char *const ours[] = { "CHARD_PORT=8080", "CHARD_PORTS=tcp://x", "CHARD_PORT_X=1",
                                            "CHARD_BROKER_PORT=" };
        struct load l;
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                load(&l, rows[i], "");
                if (l.refused)
                        fail_msg("%s: %s", rows[i], l.why.text);
                unload(&l);
        }
        for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
                load(&l, ours[i], "");
                assert_int_equal(l.refused, 1);
                unload(&l);
        }
}

static void own_flags_reach_their_command(void **state)
{
        (void)state;
        struct load l;
        load(&l, "", "--json a --wait 5 b");
        assert_int_equal(l.refused, 0);
        assert_true(l.own.json);
        assert_false(l.own.all);
        assert_string_equal(l.own.wait, "5");
        are_operands(&l, "a b");
        unload(&l);

        load(&l, "", "-j --wait=7 --all");
        assert_true(l.own.json && l.own.all);
        assert_string_equal(l.own.wait, "7");
        unload(&l);

        load(&l, "", "-w 3");
        assert_false(l.own.json || l.own.all);
        assert_string_equal(l.own.wait, "3");
        unload(&l);

        load(&l, "", "-- --json -w");
        assert_false(l.own.json);
        assert_null(l.own.wait);
        are_operands(&l, "--json -w");
        unload(&l);
}

static void a_command_may_have_no_flags_of_its_own(void **state)
{
        (void)state;
        struct settings s;
        struct problem why;
        char *argv[] = { (char *)(uintptr_t) "--slots", (char *)(uintptr_t) "3" };
        int operands;
        char *none[] = { NULL }, **before = environ;
        environ = none;
        int rc = settings_load(&s, NULL, argv, 2, &operands, &why);
        environ = before;
        assert_int_equal(rc, 0);
        assert_int_equal(s.slots, 3);
        settings_free(&s);
        environ = NULL;
        rc = settings_load(&s, NULL, argv, 2, &operands, NULL);
        environ = before;
        assert_int_equal(rc, 0);
        settings_free(&s);
        settings_free(&s);
        environ = before;
}

/* `content` in a file that CHARD_…_FILE names; what is left of it is unlinked. */
static void load_file(struct load *l, const char *variable, const char *content, size_t size)
{
        char path[] = "/tmp/chard-settings-XXXXXX", environment[200];
        const int file = mkstemp(path);
        assert_true(file >= 0);
        assert_true(write(file, content, size) == (ssize_t)size);
        close(file);
        snprintf(environment, sizeof(environment), "%s=%s", variable, path);
        load(l, environment, "");
        unlink(path);
}

static void a_file_gives_its_first_line(void **state)
{
        (void)state;
        static const struct {
                const char *variable, *content, *flag, *value;
        } rows[] = {
                { "OPENAI_API_KEY_FILE", "sk-9\n", "--openai-api-key", "sk-9" },
                { "OPENAI_API_KEY_FILE", "sk-9", "--openai-api-key", "sk-9" },
                { "OPENAI_API_KEY_FILE", "sk-9\r\nmore\n", "--openai-api-key", "sk-9" },
                { "CHARD_SLOTS_FILE", "12\n", "--slots", "12" },
                { "CHARD_BROKER_CA_FILE_FILE", "/etc/ca.pem\n", "--broker-ca-file", "/etc/ca.pem" },
                { "CHARD_LOG_LEVEL_FILE", "warn\n", "--log-level", "warn" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct load l;
                char text[32];
                load_file(&l, rows[i].variable, rows[i].content, strlen(rows[i].content));
                assert_int_equal(l.refused, 0);
                assert_string_equal(shown(&l.settings, rows[i].flag, text), rows[i].value);
                unload(&l);
        }
        /* this one names a file itself, and is not one that holds a value */
        struct load l;
        load(&l, "CHARD_HEALTH_FILE=/nowhere/health CHARD_BROKER_CA_FILE=/nowhere/ca", "");
        assert_int_equal(l.refused, 0);
        assert_string_equal(l.settings.health_file, "/nowhere/health");
        assert_string_equal(l.settings.broker_ca_file, "/nowhere/ca");
        unload(&l);
}

static void a_bad_file_is_named_and_its_secret_is_not(void **state)
{
        (void)state;
        static char large[20001];
        memset(large, 's', sizeof(large) - 1);
        static const struct {
                const char *variable, *content, *text;
        } rows[] = {
                { "OPENAI_API_KEY_FILE", "", "is empty" },
                { "OPENAI_API_KEY_FILE", "\nsk-9\n", "is empty" },
                { "OPENAI_API_KEY_FILE", large, "longer than" },
                { "CHARD_SLOTS_FILE", "many\n", "CHARD_SLOTS_FILE: \"many\" is not a whole number" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct load l;
                load_file(&l, rows[i].variable, rows[i].content, strlen(rows[i].content));
                if (l.refused != 1 || !strstr(l.why.text, rows[i].text))
                        fail_msg("row %zu: %s", i, l.why.text);
                assert_non_null(strstr(l.why.text, rows[i].variable));
                assert_null(strstr(l.why.text, "ssss"));
                unload(&l);
        }
}

static void the_value_wins_over_its_file(void **state)
{
        (void)state;
        struct load l;
        load(&l, "CHARD_NAME_FILE=/nowhere/name CHARD_NAME=direct", "");
        assert_int_equal(l.refused, 0);
        assert_string_equal(l.settings.name, "direct");
        unload(&l);
}

static char *printed(bool markdown)
{
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        settings_print(out, markdown);
        fclose(out);
        return text;
}

static void the_reference_names_every_setting(void **state)
{
        (void)state;
        char *plain = printed(false), *markdown = printed(true);
        size_t lines = 0;
        for (const char *at = markdown; *at; at++)
                lines += *at == '\n';
        assert_int_equal(lines, SETTING_COUNT + 2);
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const struct setting *row = &setting_table[i];
                const char *const parts[] = { row->env, row->flag, row->otherwise, row->help };
                for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++)
                        if (!strstr(plain, parts[k]) || !strstr(markdown, parts[k]))
                                fail_msg("%s: \"%s\" is missing", row->env, parts[k]);
        }
        assert_non_null(strstr(plain, "--slots, -c (number, 1 … 65535; default: 1000)"));
        assert_non_null(strstr(plain, "--log-level (one of debug, info, warn, error; default: info)"));
        assert_non_null(strstr(markdown, "| `CHARD_SLOTS` | `--slots`, -c | number, 1 … 65535 | `1000` |"));
        free(plain);
        free(markdown);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_setting_has_its_default),
                cmocka_unit_test(the_table_is_sound),
                cmocka_unit_test(flags_and_environment_set_it),
                cmocka_unit_test(mistakes_are_named),
                cmocka_unit_test(variables_of_service_links_are_not_ours),
                cmocka_unit_test(own_flags_reach_their_command),
                cmocka_unit_test(a_command_may_have_no_flags_of_its_own),
                cmocka_unit_test(a_file_gives_its_first_line),
                cmocka_unit_test(a_bad_file_is_named_and_its_secret_is_not),
                cmocka_unit_test(the_value_wins_over_its_file),
                cmocka_unit_test(the_reference_names_every_setting),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
