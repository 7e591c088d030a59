/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings.h"

#include "core/nearest.h"
#include "core/settings_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NAMES = 128 };

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
        errno = 0;
        const long number = strtol(value, &end, 10);
        if (end == value || *end || errno)
                return problem_set(why, "settings", "bad_setting", "%s: \"%.40s\" is not a whole number", from, value);
        if (number < row->least || number > row->most)
                return problem_set(why, "settings", "bad_setting", "%s: %ld is out of range %ld … %ld", from, number,
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

static int check_choice(const struct setting *row, const char *from, const char *value, struct problem *why)
{
        size_t count = 0;
        for (; count < 4 && row->choices[count]; count++)
                if (strcmp(value, row->choices[count]) == 0)
                        return 0;
        const char *near = nearest_name(value, row->choices, count);
        if (near && *near)
                return problem_set(why, "settings", "bad_setting", "%s: unknown value \"%.40s\"; did you mean \"%s\"?",
                                   from, value, near);
        return problem_set(why, "settings", "bad_setting", "%s: unknown value \"%.40s\"; one of: %s, %s%s%s%s%s", from,
                           value, row->choices[0], row->choices[1], count > 2 && *row->choices[2] ? ", " : "",
                           count > 2 ? row->choices[2] : "", count > 3 ? ", " : "", count > 3 ? row->choices[3] : "");
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

static int set_value(struct settings *s, const struct setting *row, const char *from, const char *value,
                     struct problem *why)
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
static int set_from_file(struct settings *s, const struct setting *row, const char *from, const char *path,
                         struct problem *why)
{
        char line[4096];
        FILE *file = fopen(path, "re");
        if (!file)
                return problem_set(why, "settings", "bad_setting", "%s: can't read \"%.200s\": %s", from, path,
                                   strerror(errno));
        const char *got = fgets(line, sizeof(line), file);
        fclose(file);
        line[got ? strcspn(line, "\r\n") : 0] = '\0';
        return set_value(s, row, from, line, why);
}

static int load_environment(struct settings *s, struct problem *why)
{
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                char file_name[64];
                snprintf(file_name, sizeof(file_name), "%s_FILE", setting_table[i].env);
                const char *value = getenv(setting_table[i].env), *path = getenv(file_name);
                int refused = 0;
                if (value)
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

/* A misspelt CHARD_… variable would silently do nothing: refuse it. */
static int refuse_unknown_environment(struct problem *why)
{
        const char *names[SETTING_COUNT];
        for (size_t i = 0; i < SETTING_COUNT; i++)
                names[i] = setting_table[i].env;
        for (char **at = environ; at && *at; at++) {
                const size_t size = strcspn(*at, "=");
                if (strncmp(*at, "CHARD_", 6) != 0 || is_known_variable(*at, size))
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
                if (is_flag(word, setting_table[i].flag, setting_table[i].letter)) {
                        found.row = &setting_table[i];
                        return found;
                }
        return found;
}

static int take_flag(struct settings *s, const struct typed_flag *flag, const char *word, const char *next,
                     bool *used_next, struct problem *why)
{
        const bool needs_value = flag->row ? flag->row->kind != SWITCH : flag->own->text != NULL;
        const char *value = flag->value;
        *used_next = needs_value && !value;
        if (*used_next)
                value = next;
        if (needs_value && !value)
                return problem_set(why, "settings", "usage", "%s needs a value", word);
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
                const int refused = take_flag(s, &flag, word, i + 1 < argc ? argv[i + 1] : NULL, &used_next, why);
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
                fputs("| environment | flag | type | default | meaning |\n| --- | --- | --- | --- | --- |\n", out);
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const struct setting *row = &setting_table[i];
                char letter[8] = "";
                if (row->letter)
                        snprintf(letter, sizeof(letter), ", -%c", row->letter);
                if (markdown)
                        fprintf(out, "| `%s` | `%s`%s | %s | %s%s%s | %s |\n", row->env, row->flag, letter,
                                kind_name(row), *row->otherwise ? "`" : "", row->otherwise, *row->otherwise ? "`" : "",
                                row->help);
                else
                        fprintf(out, "%-28s %s%s (%s, default: %s)\n        %s\n", row->env, row->flag, letter,
                                kind_name(row), *row->otherwise ? row->otherwise : "empty", row->help);
        }
        if (!markdown)
                fputs("\nEach variable may be replaced by NAME_FILE, naming a file that holds the value (for secrets).\nA flag wins over the environment.\n",
                      out);
}
