/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings/settings.h"

#include "core/settings/table.h"
#include "core/text/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NAMES = 128, MOST_CHOICES = 4, CHOICES_SIZE = 128, LINE_SIZE = 8192 };

/* A worker's name stands in logs, in events and in rows that others read. */
static int check_name(const struct setting *row, const char *from, const char *value, struct problem *why)
{
        if (row->offset != offsetof(struct settings, name))
                return 0;
        for (const char *at = value; *at; at++)
                if ((unsigned char)*at < ' ' || *at == 0x7F)
                        return problem_set(why, "settings", "bad_setting",
                                           "%s: a name has no line break or other control character", from);
        return 0;
}

static int set_value(struct settings *s, const struct setting *row, const char *from, const char *value,
                     struct problem *why);
static int load_environment(struct settings *s, struct problem *why);
static int load_flags(struct settings *s, const struct own_flag *own, char **argv, int argc, int *operands,
                      struct problem *why);
static int refuse_unknown_environment(struct problem *why);

int settings_load(struct settings *s, const struct own_flag *own, char **argv, int argc, int *operands,
                  struct problem *why)
{
        *s = (struct settings){ 0 };
        *operands = 0;
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const int refused = set_value(s, &setting_table[i], "default", setting_table[i].otherwise, why);
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
                if (setting_table[i].kind <= CHOICE)
                        free(*(char **)((char *)s + setting_table[i].offset));
        *s = (struct settings){ 0 };
}

/* ---- one value ---- */

static int set_number(struct settings *s, const struct setting *row, const char *from, const char *value,
                      struct problem *why)
{
        char *end;
        const long number = strtol(value, &end, 10); /* too large a number is LONG_MAX, which no range includes */
        if (!isdigit((unsigned char)value[*value == '-']) || *end)
                return problem_set(why, "settings", "bad_setting", "%s: \"%.40s\" is not a whole number", from, value);
        if (number < row->least || number > row->most)
                return problem_set(why, "settings", "bad_setting", "%s: %.40s is out of range %ld … %ld", from, value,
                                   row->least, row->most);
        *(long *)((char *)s + row->offset) = number;
        return 0;
}

static int set_switch(struct settings *s, const struct setting *row, const char *from, const char *value,
                      struct problem *why)
{
        static const char *const words[] = { "no", "yes", "false", "true", "0", "1", "off", "on" };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                if (strcmp(value, words[i]) == 0) {
                        *(bool *)((char *)s + row->offset) = i % 2 == 1;
                        return 0;
                }
        }
        return problem_set(why, "settings", "bad_setting", "%s: \"%.40s\" is neither yes nor no", from, value);
}

static const char *list_choices(const struct setting *row, char out[CHOICES_SIZE])
{
        size_t used = 0;
        out[0] = '\0';
        for (size_t i = 0; i < MOST_CHOICES && row->choices[i]; i++)
                if (*row->choices[i])
                        used += (size_t)snprintf(out + used, CHOICES_SIZE - used, "%s%s", i ? ", " : "",
                                                 row->choices[i]);
        return out;
}

static int check_choice(const struct setting *row, const char *from, const char *value, struct problem *why)
{
        size_t count = 0;
        for (; count < MOST_CHOICES && row->choices[count]; count++)
                if (strcmp(value, row->choices[count]) == 0)
                        return 0;
        const char *near = nearest_name(value, row->choices, count);
        if (near && *near)
                return problem_set(why, "settings", "bad_setting", "%s: unknown value \"%.40s\"; did you mean \"%s\"?",
                                   from, value, near);
        char choices[CHOICES_SIZE];
        return problem_set(why, "settings", "bad_setting", "%s: unknown value \"%.40s\"; one of: %s", from, value,
                           list_choices(row, choices));
}

static int set_text(struct settings *s, const struct setting *row, const char *value, struct problem *why)
{
        char **at = (char **)((char *)s + row->offset);
        char *copy = strdup(value);
        if (!copy) {
                problem_set(why, "settings", "out_of_memory", "memory ran out");
                return -ENOMEM;
        }
        free(*at);
        *at = copy;
        return 0;
}

static int set_value(struct settings *s, const struct setting *row, const char *from, const char *value,
                     struct problem *why)
{
        if (row->kind == NUMBER)
                return set_number(s, row, from, value, why);
        if (row->kind == SWITCH)
                return set_switch(s, row, from, value, why);
        const int refused =
                row->kind == CHOICE ? check_choice(row, from, value, why) : check_name(row, from, value, why);
        return refused ? refused : set_text(s, row, value, why);
}

/* ---- environment ---- */

/* CHARD_X_FILE: the value is the file's first line. */
static int set_from_file(struct settings *s, const struct setting *row, const char *from, const char *path,
                         struct problem *why)
{
        char line[LINE_SIZE];
        FILE *file = fopen(path, "re");
        errno = file ? 0 : errno;
        const char *got = file ? fgets(line, sizeof(line), file) : NULL;
        const int error = errno;
        if (file)
                fclose(file);
        if (error)
                return problem_set(why, "settings", "bad_setting", "%s: can't read \"%.200s\": %s", from, path,
                                   strerror(error));
        const size_t size = got ? strcspn(line, "\r\n") : 0;
        if (size == 0)
                return problem_set(why, "settings", "bad_setting", "%s: \"%.200s\" is empty", from, path);
        if (size == sizeof(line) - 1)
                return problem_set(why, "settings", "bad_setting", "%s: \"%.200s\" is longer than %d bytes", from, path,
                                   LINE_SIZE - 2);
        line[size] = '\0';
        return set_value(s, row, from, line, why);
}

static int load_environment(struct settings *s, struct problem *why)
{
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                char file_name[64];
                snprintf(file_name, sizeof(file_name), "%s_FILE", setting_table[i].env);
                const char *value = getenv(setting_table[i].env), *path = getenv(file_name);
                int refused = 0;
                if (value && *value)
                        refused = set_value(s, &setting_table[i], setting_table[i].env, value, why);
                else if (path && *path)
                        refused = set_from_file(s, &setting_table[i], file_name, path, why);
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
                const size_t whole = strlen(setting_table[i].env);
                if (size == whole && strncmp(name, setting_table[i].env, size) == 0)
                        return true;
                if (size == whole + 5 && strncmp(name, setting_table[i].env, whole) == 0 &&
                    strncmp(name + whole, "_FILE", 5) == 0)
                        return true;
        }
        return false;
}

/* Kubernetes and Docker name what a service called "chard…" offers: CHARD_SERVICE_HOST=…, CHARD_PORT=tcp://…,
 * CHARD_PORT_80_TCP_ADDR=…, CHARD_GATEWAY_SERVICE_PORT_HTTP=… */
static bool is_service_link(const char *variable, size_t size)
{
        if (memmem(variable, size, "_SERVICE_HOST", 13) || memmem(variable, size, "_SERVICE_PORT", 13))
                return true;
        for (const char *at = variable; (at = strstr(at, "_PORT")) && at < variable + size; at += 5) {
                if (at[5] == '_' && isdigit((unsigned char)at[6]))
                        return true;
                if (at[5] == '=' && strstr(at, "://"))
                        return true;
        }
        return false;
}

/* A misspelt CHARD_… variable would silently do nothing: refuse it. */
static int refuse_unknown_environment(struct problem *why)
{
        const char *names[SETTING_COUNT];
        for (size_t i = 0; i < SETTING_COUNT; i++)
                names[i] = setting_table[i].env;
        for (char **at = environ; at && *at; at++) {
                const size_t size = strcspn(*at, "=");
                if (strncmp(*at, "CHARD_", 6) != 0 || is_known_variable(*at, size) || is_service_link(*at, size))
                        continue;
                char name[64];
                snprintf(name, sizeof(name), "%.*s", (int)size, *at);
                const char *near = nearest_name(name, names, SETTING_COUNT);
                return problem_set(why, "settings", "bad_setting", "unknown setting %s in the environment%s%s%s", name,
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
                names[count++] = setting_table[i].flag;
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed, "="), typed);
        const char *near = nearest_name(name, names, count);
        return problem_set(why, "settings", "usage", "unknown flag %s%s%s%s", name, near ? "; did you mean " : "",
                           near ? near : "", near ? "?" : "; see --help");
}

static bool is_flag(const char *word, const char *name, char letter)
{
        const size_t size = strlen(name);
        if (strncmp(word, name, size) == 0 && (word[size] == '\0' || word[size] == '='))
                return true;
        return letter && word[0] == '-' && word[1] == letter && (word[2] == '\0' || word[2] == '=');
}

static struct typed_flag find_flag(const char *word, const struct own_flag *own)
{
        struct typed_flag found = { 0 };
        const char *equals = strchr(word, '=');
        found.value = equals ? equals + 1 : NULL;
        for (; own && own->name; own++)
                if (is_flag(word, own->name, own->letter)) {
                        found.own = own;
                        return found;
                }
        for (size_t i = 0; i < SETTING_COUNT; i++)
                if (is_flag(word, setting_table[i].flag, setting_table[i].letter)) {
                        found.row = &setting_table[i];
                        return found;
                }
        return found;
}

/* A forgotten value must not swallow the flag that follows; "-" and "-5" are values. */
static bool looks_like_flag(const char *word)
{
        return word[0] == '-' && word[1] != '\0' && !isdigit((unsigned char)word[1]);
}

static int take_flag(struct settings *s, const struct typed_flag *flag, const char *word, const char *next,
                     bool *used_next, struct problem *why)
{
        const bool needs_value = flag->row ? flag->row->kind != SWITCH : flag->own->text != NULL;
        const char *value = flag->value;
        *used_next = needs_value && !value;
        if (*used_next)
                value = next;
        if (needs_value && (!value || (*used_next && looks_like_flag(value))))
                return problem_set(why, "settings", "usage", "%s needs a value%s", word,
                                   value ? "; one that begins with '-' goes after '='" : "");
        if (!needs_value && value && !flag->row)
                return problem_set(why, "settings", "usage", "%.*s takes no value", (int)strcspn(word, "="), word);
        if (flag->row)
                return set_value(s, flag->row, flag->row->flag, value ? value : "yes", why);
        if (flag->own->seen)
                *flag->own->seen = true;
        if (flag->own->text)
                *flag->own->text = value;
        return 0;
}

static int load_flags(struct settings *s, const struct own_flag *own, char **argv, int argc, int *operands,
                      struct problem *why)
{
        bool flags_end = false;
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
                const int refused = take_flag(s, &flag, word, i + 1 < argc ? argv[i + 1] : NULL, &used_next, why);
                if (refused)
                        return refused;
                i += used_next;
        }
        return 0;
}

/* ---- the reference ---- */

/* The kind, and what it allows. */
static void describe_kind(const struct setting *row, char out[CHOICES_SIZE])
{
        static const char *const names[] = { "text", "secret", "one of ", "number", "yes/no" };
        char choices[CHOICES_SIZE];
        if (row->kind == NUMBER)
                snprintf(out, CHOICES_SIZE, "number, %ld … %ld", row->least, row->most);
        else
                snprintf(out, CHOICES_SIZE, "%s%.100s", names[row->kind], list_choices(row, choices));
}

static void settings_print_row(FILE *out, bool markdown, const struct setting *row)
{
        char letter[8] = "", kind[CHOICES_SIZE];
        if (row->letter)
                snprintf(letter, sizeof(letter), ", -%c", row->letter);
        describe_kind(row, kind);
        const char *quote = *row->otherwise ? "`" : "";
        if (markdown)
                fprintf(out, "| `%s` | `%s`%s | %s | %s%s%s | %s |\n", row->env, row->flag, letter, kind, quote,
                        row->otherwise, quote, row->help);
        else
                fprintf(out, "%-28s %s%s (%s; default: %s)\n        %s\n", row->env, row->flag, letter, kind,
                        *row->otherwise ? row->otherwise : "empty", row->help);
}

void settings_print(FILE *out, bool markdown)
{
        if (markdown)
                fputs("| environment | flag | type | default | meaning |\n| --- | --- | --- | --- | --- |\n", out);
        for (size_t i = 0; i < SETTING_COUNT; i++)
                settings_print_row(out, markdown, &setting_table[i]);
        if (!markdown)
                fputs("\nEach variable may be replaced by NAME_FILE, naming a file that holds the value (for secrets).\n"
                      "A flag wins over the environment; an empty variable counts as not set.\n",
                      out);
}
