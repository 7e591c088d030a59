/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/answer.h"

#include "core/bytes.h"
#include "core/json.h"

#include <errno.h>
#include <string.h>

static const struct {
        const char *belongs, *first, *how, *unknown;
} words[LANG_COUNT] = {
        [LANG_KO] = { .belongs = "이 물건은 '%s'에 해당해요.",
                      .first = " 먼저 할 일: ",
                      .how = " 버리는 방법: ",
                      .unknown =
                              "무엇인지 알아보지 못했어요. 물건이 잘 보이게 다시 찍거나, 무엇인지 글로 알려 주세요." },
        [LANG_EN] = { .belongs = "This belongs to: %s.",
                      .first = " First: ",
                      .how = " How to put it out: ",
                      .unknown =
                              "I could not tell what this is. Please take another picture that shows it well, or describe it." },
};

int answer_basis(const struct task_input *in, struct answer_basis *out, struct problem *why)
{
        const json_t *section;
        int rc = document_section(in, "classification", JSON_OBJECT, &section, why);
        if (rc != 0)
                return rc;
        const char *middle = json_text(section, "middle", "");
        *out = (struct answer_basis){
                .taxonomy = taxonomy_of(in),
                .lang = lang_of(document_lang(in->document)),
                .category = middle_find(taxonomy_of(in), middle),
                .classification = section,
        };
        if (!out->category)
                return problem_set(why, "task", "bad_section",
                                   "the section \"classification\" names no middle category of the taxonomy: \"%.60s\"",
                                   middle);
        if (!out->category->rule)
                return 0;
        out->rule = rule_for(out->taxonomy, out->category, json_text(section, "item", NULL),
                             json_object_get(section, "situation"), out->lang);
        return out->rule ? 0 : -ENOMEM;
}

void answer_basis_clear(struct answer_basis *b)
{
        json_decref(b->rule);
        b->rule = NULL;
}

int answer_say(const struct task_input *in, const struct answer_basis *b, struct ai_request *request)
{
        JSON_OWNED json_t *both = json_pack("{s:O, s:O?}", "classification", b->classification, "rule", b->rule);
        const char *exceptions = rule_exceptions(b->taxonomy, b->category, b->lang);
        int rc = ask_say(in, request, "user", AI_TEXT, both ? ask_json(in, both) : NULL);
        return rc == 0 && exceptions ? ask_say(in, request, "user", AI_TEXT, exceptions) : rc;
}

json_t *answer_lines(const json_t *said)
{
        json_t *out = json_array(), *line;
        size_t i;
        json_array_foreach((json_t *)said, i, line) {
                const char *text = json_string_value(line);
                if (text && text[strspn(text, " \t\r\n")] != '\0')
                        json_array_append_new(out, json_string(text));
        }
        return out;
}

json_t *answer_steps(const struct answer_basis *b)
{
        json_t *out = json_array();
        json_array_extend(out, json_object_get(b->rule, "steps"));
        json_array_extend(out, json_object_get(b->rule, "item_steps"));
        return out;
}

/* "1) … 2) …" under a heading; nothing for an empty list. */
static void write_list(struct buffer *out, const char *heading, const json_t *list)
{
        size_t i;
        json_t *line;
        json_array_foreach((json_t *)list, i, line) {
                buffer_addf(out, "%s%zu) %s", i ? " " : heading, i + 1, json_string_value(line));
        }
}

json_t *answer_text(const struct answer_basis *b)
{
        struct buffer out = { 0 };
        JSON_OWNED json_t *steps = answer_steps(b);
        if (!b->rule)
                return json_string(words[b->lang].unknown);
        buffer_addf(&out, words[b->lang].belongs, b->category->label[b->lang]);
        write_list(&out, words[b->lang].first, json_object_get(b->rule, "insufficiencies"));
        write_list(&out, words[b->lang].how, steps);
        json_t *text = out.failed ? NULL : json_stringn((const char *)out.data, out.size);
        buffer_free(&out);
        return text;
}
