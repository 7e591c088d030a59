/* SPDX-License-Identifier: Apache-2.0 */
/* The shipped domain: how to sort household waste, in Korea. Its tasks, what their pipelines take, and the taxonomy that they share. */
#include "tasks/waste/waste.h"

#include "tasks/waste/taxonomy.h"

#include <string.h>

extern const struct task_def scan_vision, scan_answer, scan_reward;
extern const struct task_def chat_classify, chat_answer;
extern const struct task_def my_profile;
extern const struct consumer_def consumer_character, consumer_owned, consumer_my, consumer_notification, consumer_scans,
        consumer_chats, consumer_pages;

/* clang-format off */
static const struct task_def *const waste_tasks[] = {
        &scan_vision,
        &scan_answer,
        &scan_reward,
        &chat_classify,
        &chat_answer,
        &my_profile,
        NULL,
};

static const struct consumer_def *const waste_consumers[] = {
        &consumer_character,
        &consumer_owned,
        &consumer_my,
        &consumer_notification,
        &consumer_scans,
        &consumer_chats,
        &consumer_pages,
        NULL,
};
/* clang-format on */

const char *const waste_languages[] = { "ko", "en", NULL };

enum { USER_ID_MOST = 200, TEXT_MOST = 4000, HISTORY_MOST = 50, UPDATES_MOST = 10000 };

const struct input_key scan_input[] = {
        { "image_url", INPUT_URL, true, 0, NULL },
        { "user_id", INPUT_TEXT, true, USER_ID_MOST, NULL },
        { "text", INPUT_TEXT, false, TEXT_MOST, NULL },
        { "lang", INPUT_LANG, false, 0, waste_languages },
        { 0 },
};

const struct input_key chat_input[] = {
        { "text", INPUT_TEXT, true, TEXT_MOST, NULL },
        { "user_id", INPUT_TEXT, true, USER_ID_MOST, NULL },
        { "lang", INPUT_LANG, false, 0, waste_languages },
        { "history", INPUT_LIST, false, HISTORY_MOST, NULL },
        { 0 },
};

const struct input_key my_input[] = {
        { "updates", INPUT_LIST, true, UPDATES_MOST, NULL },
        { 0 },
};

static int waste_open(void **data, struct problem *why)
{
        struct taxonomy *t = NULL;
        const int rc = taxonomy_new(&t, why);
        *data = t;
        return rc;
}

static void waste_close(void *data)
{
        taxonomy_free(data);
}

static json_t *waste_slugs(const struct taxonomy *t, bool middles)
{
        json_t *list = json_array();
        for (size_t i = 0; i < t->category_count; i++) {
                const struct category *c = &t->categories[i];
                if (middles ? c->is_middle : c->major == c)
                        json_array_append_new(list, json_string(c->slug));
        }
        return list;
}

static json_t *waste_list(const void *data, const char *name)
{
        const struct taxonomy *t = data;
        if (strcmp(name, "@major") == 0)
                return waste_slugs(t, false);
        if (strcmp(name, "@middle") == 0)
                return waste_slugs(t, true);
        return strcmp(name, "@situation") == 0 ? json_deep_copy(t->tags) : NULL;
}

static const char *waste_mark(const void *data, const char *mark, size_t size, const char *lang)
{
        const struct taxonomy *t = data;
        if (size == strlen("@categories") && memcmp(mark, "@categories", size) == 0)
                return t->catalogue[lang_of(lang)];
        return size == strlen("@situation") && memcmp(mark, "@situation", size) == 0 ? t->tag_list : NULL;
}

static const struct fact_view waste_views[] = {
        { "character_owned",
          FACT_CHARACTER,
          { { "granted_at", FACT_AT }, { "user_id", FACT_OWNER }, { "code", FACT_KEY }, { "task_id", FACT_TASK } } },
        { "profile", FACT_PROFILE, { { "updated_at", FACT_AT }, { "user_id", FACT_OWNER }, { "fields", FACT_KEYS } } },
        { 0 },
};

const struct domain waste = {
        .name = "waste",
        .tasks = waste_tasks,
        .consumers = waste_consumers,
        .open = waste_open,
        .close = waste_close,
        .list = waste_list,
        .mark = waste_mark,
        .views = waste_views,
        .lists = "@major, @middle and @situation",
        .marks = "@categories and @situation",
};
