/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings.h"

#include "core/nearest.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { TEXT, SECRET, CHOICE, NUMBER, SWITCH };

struct setting {
        const char *env;  /* CHARD_…, or the name that the whole field uses */
        const char *flag; /* "--broker-url" */
        char letter;
        enum kind kind;
        size_t offset;
        const char *otherwise;  /* default, as one would type it */
        long least, most;       /* NUMBER */
        const char *choices[4]; /* CHOICE */
        const char *help;
};

#define AT(field) offsetof(struct settings, field)

static const struct setting table[] = {
        { "CHARD_BROKER_URL",
          "--broker-url",
          0,
          TEXT,
          AT(broker_url),
          "amqp://guest:guest@127.0.0.1:5672/",
          0,
          0,
          { 0 },
          "where RabbitMQ is: amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://…; several, comma-separated, are tried in turn" },
        { "CHARD_BROKER_CA_FILE",
          "--broker-ca-file",
          0,
          TEXT,
          AT(broker_ca_file),
          "",
          0,
          0,
          { 0 },
          "PEM file of the authority that signed the broker's certificate (amqps); empty = the system's" },
        { "CHARD_STORE_URL",
          "--store-url",
          0,
          TEXT,
          AT(store_url),
          "postgresql://127.0.0.1:5432/chard",
          0,
          0,
          { 0 },
          "where PostgreSQL is: postgresql://USER:PASSWORD@HOST:PORT/DATABASE" },
        { "CHARD_AI_PROVIDER",
          "--ai-provider",
          0,
          CHOICE,
          AT(ai_provider),
          "",
          0,
          0,
          { "openai", "offline", "" },
          "who answers: openai (any OpenAI-compatible endpoint) or offline (taxonomy and rules alone); empty = openai where a key or a base URL is set" },
        { "OPENAI_BASE_URL",
          "--openai-base-url",
          0,
          TEXT,
          AT(openai_base_url),
          "",
          0,
          0,
          { 0 },
          "the endpoint, up to and with /v1; empty = OpenAI's own" },
        { "OPENAI_API_KEY",
          "--openai-api-key",
          0,
          SECRET,
          AT(openai_api_key),
          "",
          0,
          0,
          { 0 },
          "the endpoint's key; never logged" },
        { "CHARD_OPENAI_MODEL",
          "--openai-model",
          0,
          TEXT,
          AT(openai_model),
          "gpt-4o-mini",
          0,
          0,
          { 0 },
          "model for text" },
        { "CHARD_OPENAI_VISION_MODEL",
          "--openai-vision-model",
          0,
          TEXT,
          AT(openai_vision_model),
          "gpt-4o-mini",
          0,
          0,
          { 0 },
          "model for images" },
        { "CHARD_QUEUES",
          "--queues",
          'Q',
          TEXT,
          AT(queues),
          "",
          0,
          0,
          { 0 },
          "queues to consume, comma-separated; empty = all but the diagnostic ones" },
        { "CHARD_NAME",
          "--name",
          'n',
          TEXT,
          AT(name),
          "",
          0,
          0,
          { 0 },
          "the worker's name, its own among all workers; empty = chard@HOSTNAME" },
        { "CHARD_SLOTS",
          "--slots",
          'c',
          NUMBER,
          AT(slots),
          "1000",
          1,
          65535,
          { 0 },
          "tasks in hand at once, per queue (the consumer's prefetch)" },
        { "CHARD_DEADLINE_MS",
          "--deadline-ms",
          0,
          NUMBER,
          AT(deadline_ms),
          "0",
          0,
          86400000,
          { 0 },
          "deadline of every AI call, in milliseconds; 0 = each task's own" },
        { "CHARD_CONNECT_TIMEOUT_MS",
          "--connect-timeout-ms",
          0,
          NUMBER,
          AT(connect_timeout_ms),
          "5000",
          1,
          600000,
          { 0 },
          "longest wait for a connection to broker, store or provider, in milliseconds" },
        { "CHARD_AI_CONNECTIONS",
          "--ai-connections",
          0,
          NUMBER,
          AT(ai_connections),
          "20000",
          1,
          1000000,
          { 0 },
          "sockets to the provider at once, at most" },
        { "CHARD_AI_HTTP2_PLAIN",
          "--ai-http2-plain",
          0,
          SWITCH,
          AT(ai_http2_plain),
          "no",
          0,
          0,
          { 0 },
          "speak HTTP/2 without TLS to the provider (prior knowledge)" },
        { "CHARD_HOLD_MS",
          "--hold-ms",
          0,
          NUMBER,
          AT(hold_ms),
          "2000",
          0,
          60000,
          { 0 },
          "a pause up to this long is waited for in the process, a longer one is scheduled; milliseconds" },
        { "CHARD_MAX_STARTS",
          "--max-starts",
          0,
          NUMBER,
          AT(max_starts),
          "10",
          1,
          1000,
          { 0 },
          "a task started this often without finishing is poison and dies" },
        { "CHARD_LEASE_SLACK_MS",
          "--lease-slack-ms",
          0,
          NUMBER,
          AT(lease_slack_ms),
          "15000",
          100,
          3600000,
          { 0 },
          "a claim is held for the task's deadline and this much more; milliseconds" },
        { "CHARD_MAX_BODY_BYTES",
          "--max-body-bytes",
          0,
          NUMBER,
          AT(max_body_bytes),
          "16777216",
          1024,
          134217728,
          { 0 },
          "a larger message body becomes a dead letter" },
        { "CHARD_HEARTBEAT_S",
          "--heartbeat-s",
          0,
          NUMBER,
          AT(heartbeat_s),
          "10",
          1,
          3600,
          { 0 },
          "AMQP heartbeat in seconds; a dead link is noticed within two" },
        { "CHARD_GRACE_MS",
          "--grace-ms",
          0,
          NUMBER,
          AT(grace_ms),
          "30000",
          0,
          3600000,
          { 0 },
          "at SIGTERM, time to finish what runs before the rest is handed back; milliseconds" },
        { "CHARD_HEALTH_FILE",
          "--health-file",
          0,
          TEXT,
          AT(health_file),
          "",
          0,
          0,
          { 0 },
          "file whose content says every second whether this worker is consuming, for probes; empty = none" },
        { "CHARD_LOG_LEVEL",
          "--log-level",
          0,
          CHOICE,
          AT(log_level),
          "info",
          0,
          0,
          { "debug", "info", "warn", "error" },
          "least level that is logged" },
        { "CHARD_LOG_FORMAT",
          "--log-format",
          0,
          CHOICE,
          AT(log_format),
          "text",
          0,
          0,
          { "text", "json" },
          "form of a log line" },
};

enum { SETTING_COUNT = sizeof(table) / sizeof(table[0]), MOST_NAMES = 128 };

static int set_value(struct settings *s, const struct setting *row, const char *from,
                     const char *value, struct problem *why);
static int load_environment(struct settings *s, struct problem *why);
static int load_flags(struct settings *s, const struct own_flag *own, char **argv, int argc,
                      int *operands, struct problem *why);
static int refuse_unknown_environment(struct problem *why);

int settings_load(struct settings *s, const struct own_flag *own, char **argv, int argc,
                  int *operands, struct problem *why)
{
        *s = (struct settings){ 0 };
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const int refused = set_value(s, &table[i], "default", table[i].otherwise, why);
                if (refused)
                        return refused;
        }
        int refused = refuse_unknown_environment(why);
        if (!refused)
                refused = load_environment(s, why);
        if (!refused)
                refused = load_flags(s, own, argv, argc, operands, why);
        return refused;
}

void settings_free(struct settings *s)
{
        for (size_t i = 0; i < SETTING_COUNT; i++)
                if (table[i].kind <= CHOICE)
                        free(*(char **)((char *)s + table[i].offset));
        *s = (struct settings){ 0 };
}

/* ---- one value ---- */

static int set_number(struct settings *s, const struct setting *row, const char *from,
                      const char *value, struct problem *why)
{
        char *end;
        errno = 0;
        const long number = strtol(value, &end, 10);
        if (end == value || *end || errno)
                return problem_set(why, "settings", "bad_setting",
                                   "%s: \"%.40s\" is not a whole number", from, value);
        if (number < row->least || number > row->most)
                return problem_set(why, "settings", "bad_setting",
                                   "%s: %ld is out of range %ld … %ld", from, number, row->least,
                                   row->most);
        *(long *)((char *)s + row->offset) = number;
        return 0;
}

static int set_switch(struct settings *s, const struct setting *row, const char *from,
                      const char *value, struct problem *why)
{
        static const char *const words[] = { "no", "yes", "false", "true", "0", "1", "off", "on" };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                if (strcmp(value, words[i]) == 0) {
                        *(bool *)((char *)s + row->offset) = i % 2 == 1;
                        return 0;
                }
        }
        return problem_set(why, "settings", "bad_setting", "%s: \"%.40s\" is neither yes nor no",
                           from, value);
}

static int check_choice(const struct setting *row, const char *from, const char *value,
                        struct problem *why)
{
        size_t count = 0;
        for (; count < 4 && row->choices[count]; count++)
                if (strcmp(value, row->choices[count]) == 0)
                        return 0;
        const char *near = nearest_name(value, row->choices, count);
        if (near && *near)
                return problem_set(why, "settings", "bad_setting",
                                   "%s: unknown value \"%.40s\"; did you mean \"%s\"?", from, value,
                                   near);
        return problem_set(why, "settings", "bad_setting",
                           "%s: unknown value \"%.40s\"; one of: %s, %s%s%s%s%s", from, value,
                           row->choices[0], row->choices[1],
                           count > 2 && *row->choices[2] ? ", " : "",
                           count > 2 ? row->choices[2] : "", count > 3 ? ", " : "",
                           count > 3 ? row->choices[3] : "");
}

static int set_text(struct settings *s, const struct setting *row, const char *value)
{
        char **at = (char **)((char *)s + row->offset);
        char *copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        free(*at);
        *at = copy;
        return 0;
}

static int set_value(struct settings *s, const struct setting *row, const char *from,
                     const char *value, struct problem *why)
{
        if (row->kind == NUMBER)
                return set_number(s, row, from, value, why);
        if (row->kind == SWITCH)
                return set_switch(s, row, from, value, why);
        const int refused = row->kind == CHOICE ? check_choice(row, from, value, why) : 0;
        return refused ? refused : set_text(s, row, value);
}

/* ---- environment ---- */

/* CHARD_X_FILE: the value is the file's first line. */
static int set_from_file(struct settings *s, const struct setting *row, const char *from,
                         const char *path, struct problem *why)
{
        char line[4096];
        FILE *file = fopen(path, "re");
        if (!file)
                return problem_set(why, "settings", "bad_setting", "%s: can't read \"%.200s\": %s",
                                   from, path, strerror(errno));
        const char *got = fgets(line, sizeof(line), file);
        fclose(file);
        line[got ? strcspn(line, "\r\n") : 0] = '\0';
        return set_value(s, row, from, line, why);
}

static int load_environment(struct settings *s, struct problem *why)
{
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                char file_name[64];
                snprintf(file_name, sizeof(file_name), "%s_FILE", table[i].env);
                const char *value = getenv(table[i].env), *path = getenv(file_name);
                int refused = 0;
                if (value)
                        refused = set_value(s, &table[i], table[i].env, value, why);
                else if (path && *path)
                        refused = set_from_file(s, &table[i], file_name, path, why);
                if (refused)
                        return refused;
        }
        return 0;
}

static bool is_known_variable(const char *name, size_t size)
{
        /* CHARD_BROKER_CA_FILE ends in _FILE by itself; CHARD_TEST_… and CHARD_FAULT… steer the tests. */
        if (strncmp(name, "CHARD_TEST_", 11) == 0 || strncmp(name, "CHARD_FAULT", 11) == 0)
                return true;
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const size_t whole = strlen(table[i].env);
                if (size == whole && strncmp(name, table[i].env, size) == 0)
                        return true;
                if (size == whole + 5 && strncmp(name, table[i].env, whole) == 0 &&
                    strncmp(name + whole, "_FILE", 5) == 0)
                        return true;
        }
        return false;
}

/* A misspelt CHARD_… variable would silently do nothing: refuse it. */
static int refuse_unknown_environment(struct problem *why)
{
        const char *names[SETTING_COUNT];
        for (size_t i = 0; i < SETTING_COUNT; i++)
                names[i] = table[i].env;
        for (char **at = environ; at && *at; at++) {
                const size_t size = strcspn(*at, "=");
                if (strncmp(*at, "CHARD_", 6) != 0 || is_known_variable(*at, size))
                        continue;
                char name[64];
                snprintf(name, sizeof(name), "%.*s", (int)size, *at);
                const char *near = nearest_name(name, names, SETTING_COUNT);
                return problem_set(why, "settings", "bad_setting",
                                   "unknown setting %s in the environment%s%s%s", name,
                                   near ? "; did you mean " : "", near ? near : "",
                                   near ? "?" : "; see: chard help settings");
        }
        return 0;
}

/* ---- flags ---- */

/* One flag as typed: which row it is, and its value. */
struct typed_flag {
        const struct setting *row;
        const struct own_flag *own;
        const char *value; /* after "=", or NULL */
};

static int refuse_flag(const char *typed, const struct own_flag *own, struct problem *why)
{
        const char *names[MOST_NAMES];
        size_t count = 0;
        for (; own && own->name && count < MOST_NAMES - SETTING_COUNT; own++)
                names[count++] = own->name;
        for (size_t i = 0; i < SETTING_COUNT; i++)
                names[count++] = table[i].flag;
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed, "="), typed);
        const char *near = nearest_name(name, names, count);
        return problem_set(why, "settings", "usage", "unknown flag %s%s%s%s", name,
                           near ? "; did you mean " : "", near ? near : "",
                           near ? "?" : "; see --help");
}

static bool is_flag(const char *word, const char *name, char letter)
{
        const size_t size = strlen(name);
        if (strncmp(word, name, size) == 0 && (word[size] == '\0' || word[size] == '='))
                return true;
        return letter && word[0] == '-' && word[1] == letter && word[2] == '\0';
}

static struct typed_flag find_flag(const char *word, const struct own_flag *own)
{
        struct typed_flag found = { 0 };
        const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
        found.value = equals ? equals + 1 : NULL;
        for (; own && own->name; own++)
                if (is_flag(word, own->name, own->letter)) {
                        found.own = own;
                        return found;
                }
        for (size_t i = 0; i < SETTING_COUNT; i++)
                if (is_flag(word, table[i].flag, table[i].letter)) {
                        found.row = &table[i];
                        return found;
                }
        return found;
}

static int take_flag(struct settings *s, const struct typed_flag *flag, const char *word,
                     const char *next, bool *used_next, struct problem *why)
{
        const bool needs_value = flag->row ? flag->row->kind != SWITCH : flag->own->text != NULL;
        const char *value = flag->value;
        *used_next = needs_value && !value;
        if (*used_next)
                value = next;
        if (needs_value && !value)
                return problem_set(why, "settings", "usage", "%s needs a value", word);
        if (!needs_value && value && !flag->row)
                return problem_set(why, "settings", "usage", "%.*s takes no value",
                                   (int)strcspn(word, "="), word);
        if (flag->row)
                return set_value(s, flag->row, flag->row->flag, value ? value : "yes", why);
        if (flag->own->seen)
                *flag->own->seen = true;
        if (flag->own->text)
                *flag->own->text = value;
        return 0;
}

static int load_flags(struct settings *s, const struct own_flag *own, char **argv, int argc,
                      int *operands, struct problem *why)
{
        bool flags_end = false;
        *operands = 0;
        for (int i = 0; i < argc; i++) {
                char *word = argv[i];
                if (flags_end || word[0] != '-' || word[1] == '\0') {
                        argv[(*operands)++] = word;
                        continue;
                }
                if (strcmp(word, "--") == 0) {
                        flags_end = true;
                        continue;
                }
                const struct typed_flag flag = find_flag(word, own);
                if (!flag.row && !flag.own)
                        return refuse_flag(word, own, why);
                bool used_next;
                const int refused = take_flag(s, &flag, word, i + 1 < argc ? argv[i + 1] : NULL,
                                              &used_next, why);
                if (refused)
                        return refused;
                i += used_next;
        }
        return 0;
}

/* ---- the reference ---- */

static const char *kind_name(const struct setting *row)
{
        static const char *const names[] = { "text", "secret", "choice", "number", "yes/no" };
        return names[row->kind];
}

void settings_print(FILE *out, bool markdown)
{
        if (markdown)
                fputs("| environment | flag | type | default | meaning |\n| --- | --- | --- | --- | --- |\n",
                      out);
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const struct setting *row = &table[i];
                char letter[8] = "";
                if (row->letter)
                        snprintf(letter, sizeof(letter), ", -%c", row->letter);
                if (markdown)
                        fprintf(out, "| `%s` | `%s`%s | %s | %s%s%s | %s |\n", row->env, row->flag,
                                letter, kind_name(row), *row->otherwise ? "`" : "", row->otherwise,
                                *row->otherwise ? "`" : "", row->help);
                else
                        fprintf(out, "%-28s %s%s (%s, default: %s)\n        %s\n", row->env,
                                row->flag, letter, kind_name(row),
                                *row->otherwise ? row->otherwise : "empty", row->help);
        }
        if (!markdown)
                fputs("\nEach variable may be replaced by NAME_FILE, naming a file that holds the value (for secrets).\nA flag wins over the environment.\n",
                      out);
}
