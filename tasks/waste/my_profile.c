/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include "core/json.h"
#include "core/text/nearest.h"
#include "tasks/input.h"
#include "tasks/waste/waste.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Changes many profiles at once; one bad element and none is changed. */
static int my_profile_run(const struct task_input *in, struct outcome *out, struct problem *why);

const struct task_def my_profile = {
        .name = "my.profile",
        .queue = "my.profile",
        .retry = { .limit = 3, .base_ms = 1000, .cap_ms = 60000 },
        .deadline_ms = 10000,
        .adds = { "profile" },
        .run = my_profile_run,
};

enum { USER_ID_MOST = 200, FIELD_MOST = 64, VALUE_MOST = 16384 };

static const char *const element_keys[] = { "user_id", "field", "value" };

/* One element of `updates`, checked. */
struct update {
        const char *user_id, *field;
        json_t *value;
};

static int my_profile_bad(struct problem *why, size_t i, const char *what, const char *is)
{
        return problem_set(why, "task", "bad_update", "updates[%zu]%s; it is %.80s", i, what, is);
}

static int check_keys(const json_t *element, size_t i, struct problem *why)
{
        const size_t count = sizeof(element_keys) / sizeof(*element_keys);
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)element, key, value) {
                size_t k = 0;
                while (k < count && strcmp(element_keys[k], key) != 0)
                        k++;
                if (k == count) {
                        const char *meant = nearest_name(key, element_keys, count);
                        return problem_set(why, "task", "bad_update", "updates[%zu] has an unknown key \"%.60s\"%s%s%s",
                                           i, key, meant ? ": did you mean \"" : "; known are user_id, field, value",
                                           meant ? meant : "", meant ? "\"?" : "");
                }
        }
        return 0;
}

/* A field's name is lower-case letters, digits and underscores, a letter first. */
static bool is_field_name(const char *name)
{
        size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
        return islower((unsigned char)name[0]) && name[size] == '\0' && size <= FIELD_MOST;
}

static int my_profile_check_value(const json_t *value, size_t i, struct problem *why)
{
        if (!value)
                return my_profile_bad(why, i, ".value must be there (null clears a field)", "absent");
        if (json_has_nul(value))
                return my_profile_bad(why, i, ".value must be free of the NUL character", "not");
        if (json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > VALUE_MOST)
                return my_profile_bad(why, i, ".value must be at most 16384 bytes long", "longer");
        return 0;
}

static int check_update(const json_t *element, size_t i, struct update *u, struct problem *why)
{
        const json_t *user = json_object_get(element, "user_id"), *field = json_object_get(element, "field");
        if (!json_is_object(element))
                return my_profile_bad(why, i, " must be {\"user_id\", \"field\", \"value\"}", json_kind(element));
        if (check_keys(element, i, why) != 0)
                return 1;
        *u = (struct update){ json_string_value(user), json_string_value(field), json_object_get(element, "value") };
        if (!u->user_id || !u->user_id[0])
                return my_profile_bad(why, i, ".user_id must be a text that is not empty",
                                      user ? json_kind(user) : "absent");
        if (strlen(u->user_id) != json_string_length(user) || json_string_length(user) > USER_ID_MOST)
                return my_profile_bad(why, i, ".user_id must be at most 200 bytes long, without the NUL character",
                                      u->user_id);
        if (!u->field)
                return my_profile_bad(why, i, ".field must be a text", json_kind(field));
        if (strlen(u->field) != json_string_length(field) || !is_field_name(u->field))
                return my_profile_bad(why, i, ".field must be a name such as \"nickname\" (a-z, 0-9, _)", u->field);
        return my_profile_check_value(u->value, i, why);
}

/* Collect {user: {field: value}}: later elements win, users and fields keep the order in which they first came. */
static int my_profile_collect(const json_t *updates, json_t *profiles, struct problem *why)
{
        size_t i;
        json_t *element;
        json_array_foreach((json_t *)updates, i, element) {
                struct update u = { 0 };
                if (check_update(element, i, &u, why) != 0)
                        return 1;
                json_t *fields = json_object_get(profiles, u.user_id);
                if (!fields) {
                        fields = json_object();
                        if (json_object_set_new(profiles, u.user_id, fields) != 0)
                                return -ENOMEM;
                }
                if (json_object_set(fields, u.field, u.value) != 0)
                        return -ENOMEM;
        }
        return 0;
}

static int change_profile(const struct task_input *in, const char *user_id, json_t *fields, struct outcome *out)
{
        const char *field;
        json_t *value;
        json_object_foreach(fields, field, value) {
                int rc = outcome_fact_merge(out, FACT_PROFILE, user_id, field, json_incref(value));
                if (rc != 0)
                        return rc;
        }
        json_t *event = json_pack("{s:s, s:s, s:O}", "job_id", document_job(in->document), "user_id", user_id, "fields",
                                  fields);
        return outcome_event(out, "profile", user_id, "ProfileUpdated", event);
}

static int my_profile_run(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const char *user_id;
        json_t *fields;
        size_t changed = 0;
        JSON_OWNED json_t *profiles = json_object();
        if (input_check(my_input, json_object_get(in->document, "input"), "task", "bad_input", why) != 0)
                return 1;
        int rc = my_profile_collect(document_input(in->document, "updates"), profiles, why);
        if (rc != 0)
                return rc;
        json_object_foreach(profiles, user_id, fields) {
                rc = change_profile(in, user_id, fields, out);
                if (rc != 0)
                        return rc;
                changed += json_object_size(fields);
        }
        json_t *section = json_pack("{s:I, s:I}", "profiles", (json_int_t)json_object_size(profiles), "fields",
                                    (json_int_t)changed);
        return outcome_section(out, "profile", section);
}
