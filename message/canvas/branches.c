/* SPDX-License-Identifier: Apache-2.0 */
/* Branches of a job: how many ends it has once this was sent. Tasks that keep no state end nothing, because the store never hears of them. */
#include "message/canvas/canvas.h"

static bool branch_leads_to_kept(const struct follow_how *how, const json_t *signature, unsigned depth);

bool signature_is_heir(const json_t *signature)
{
        const json_t *headers = json_object_get(json_object_get(signature, "options"), "headers");
        return json_is_true(json_object_get(headers, "chard_heir"));
}

static bool branch_is_kept(const struct follow_how *how, const json_t *signature)
{
        const char *name = json_string_value(json_object_get(signature, "task"));
        return name && how->keeps(name, signature_is_heir(signature), how->arg);
}

static bool branches_lead_to_kept(const struct follow_how *how, const json_t *list, unsigned depth)
{
        bool found = json_is_object(list) && branch_leads_to_kept(how, list, depth);
        for (size_t i = 0; !found && i < json_array_size(list); i++)
                found = branch_leads_to_kept(how, json_array_get(list, i), depth);
        return found;
}

static bool branch_leads_to_kept(const struct follow_how *how, const json_t *signature, unsigned depth)
{
        const json_t *options = json_object_get(signature, "options");
        if (depth > CANVAS_DEEPEST)
                return false;
        if (canvas_is_plain(signature) ? branch_is_kept(how, signature)
                                       : branches_lead_to_kept(how, canvas_tasks(signature), depth + 1) ||
                                                 branches_lead_to_kept(how, canvas_body(signature), depth + 1))
                return true;
        return branches_lead_to_kept(how, json_object_get(options, "chain"), depth + 1) ||
               branches_lead_to_kept(how, json_object_get(options, "link"), depth + 1);
}

bool branches_heard(const struct followers *f, const json_t *signature, const json_t *chain)
{
        return f->how->keeps && (branch_leads_to_kept(f->how, signature, 0) || branches_lead_to_kept(f->how, chain, 0));
}

bool chain_is_heard(const json_t *chain, const struct follow_how *how)
{
        return branches_lead_to_kept(how, chain, 0);
}

/* By sending it for a trial. */
unsigned branches_of_body(const struct followers *f, const json_t *body)
{
        struct following out = { 0 };
        struct problem why;
        struct followers trial = followers_of(f->of, f->how, &out, &why);
        if (!f->how->keeps)
                return 0;
        trial.depth = f->depth;
        const int rc = canvas_apply(&trial, body, bytes_of_string("[]"), NULL, NULL);
        const unsigned branches = rc ? 1 : out.branches;
        following_clear(&out);
        return branches;
}

/* Its last task, which is the one that a chord counts. */
static bool branch_end_is_kept(const struct followers *f, const json_t *signature, unsigned depth)
{
        const json_t *steps = canvas_tasks(signature);
        if (depth > CANVAS_DEEPEST)
                return false;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: return branch_is_kept(f->how, signature);
        case CANVAS_CHAIN: return branch_end_is_kept(f, json_array_get(steps, json_array_size(steps) - 1), depth + 1);
        case CANVAS_CHORD: return branch_end_is_kept(f, canvas_body(signature), depth + 1);
        case CANVAS_GROUP: break;
        }
        return false;
}

bool branches_all_kept(const struct followers *f, const json_t *header)
{
        bool kept = f->how->keeps != NULL;
        for (size_t i = 0; kept && i < json_array_size(header); i++)
                kept = branch_end_is_kept(f, json_array_get(header, i), 0);
        return kept;
}
