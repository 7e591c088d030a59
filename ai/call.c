/* SPDX-License-Identifier: Apache-2.0 */
/* A call's way: ask -> (wait for room) -> the model's gates -> the provider -> judge -> done.
 *
 * A call that cannot start at once, because all connections are in use or too many are just being made, waits here and not inside
 * curl, where it would run into its deadline and look like a provider's time-out. It waits for a quarter of its deadline at
 * most; then it is answered AI_WAIT, which burns no attempt. What is left of the deadline is the provider's, so a call never takes
 * longer than its deadline in all, and whoever holds a lease on the task may count on that. */
#include "ai/ai.h"

#include "ai/gate/models.h"
#include "ai/http/key_file.h"
#include "ai/http/openai.h"
#include "ai/list.h"
#include "ai/offline.h"
#include "ai/wire/formats.h"
#include "ai/wire/request.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        SWEEP_MS = 100, /* how often waiting calls are looked through */
        NOT_ADMITTED_WAIT_MS =
                1000, /* who found no room, or no memory, may ask again after this, up to twice as much */
        DEFAULT_DEADLINE_MS = 60000,
        OPEN_HANDLES = 3,
        WATCH_MS = 1000,           /* how often the key's file is looked at while the endpoint takes no requests */
        MOST_KEPT_BYTES = 1 << 20, /* of a request's memory: images can be larger */
};

const char AI_MODEL_TEXT[] = "text", AI_MODEL_VISION[] = "vision";

enum state {
        ANSWERING, /* what it will be told is known already, but `done` never comes from inside ai_ask */
        WAITING,   /* for room */
        ON_WIRE,
};

/* Why a call is answered without having been sent. */
enum reason { REASON_PAUSED, REASON_NO_ROOM, REASON_NO_MEMORY, REASON_ASK_OFFLINE };

struct ai_call {
        struct listed link; /* in its state's list */
        struct ai *ai;
        const struct ai_request *request;
        struct model *model;
        ai_done *done;
        void *arg;
        struct openai_exchange *exchange; /* ON_WIRE */
        uint64_t asked_ms, started_ms, wait_ms;
        enum state state;
        enum reason reason; /* ANSWERING */
        unsigned probe;     /* of enum probe: the breakers that wait for how this one ends */
};

struct ai {
        uv_loop_t *loop;
        uv_idle_t soon; /* runs while somebody is to be answered; a timer of 0 ms would starve the loop's input */
        uv_timer_t sweep, watch;
        int open_handles;
        bool closing;
        struct openai *openai; /* NULL = offline */
        int (*offline)(const struct ai_request *, json_t **, void *, struct problem *);
        void *offline_arg;
        char *model, *vision_model, *key_file;
        struct models *models;
        bool told;          /* that the endpoint takes no requests … */
        struct problem why; /* … and why */
        uint64_t since_ms;
        struct formats *formats;
        struct buffer body;     /* of the request that is being written; its memory is used again */
        struct listed lists[3]; /* by state */
        size_t in_flight;
};

static int open_parts(struct ai *ai, const struct ai_config *config, struct problem *why);
static void ai_call_release(struct ai *ai);
static const char *model_name(const struct ai *ai, const char *model);
static struct ai_call *ai_call_first(struct ai *ai, enum state state);
static void ai_call_move(struct ai_call *call, enum state state);
static void answer_soon(struct ai_call *call, enum reason reason, uint64_t wait_ms);
static void ai_call_admit(struct ai_call *call);
static void ai_call_pump(void *arg);
static void ai_call_start(struct ai_call *call, uint64_t now_ms);
static void on_response(const struct ai_response *response, void *arg);
static void ai_call_finish(struct ai_call *call, struct ai_reply *reply);
static void on_soon(uv_idle_t *idle);
static void on_sweep(uv_timer_t *timer);
static void on_watch(uv_timer_t *timer);

int ai_open(struct ai **out, const struct ai_config *config, struct problem *why)
{
        struct ai *ai = calloc(1, sizeof(*ai));
        if (!ai)
                return -ENOMEM;
        ai->loop = config->loop;
        ai->offline = config->offline;
        ai->offline_arg = config->offline_arg;
        for (int i = 0; i < 3; i++)
                list_init(&ai->lists[i]);
        const int result = open_parts(ai, config, why);
        if (result != 0) {
                ai_call_release(ai);
                return result;
        }
        uv_idle_init(ai->loop, &ai->soon);
        uv_timer_init(ai->loop, &ai->sweep);
        uv_timer_init(ai->loop, &ai->watch);
        ai->soon.data = ai->sweep.data = ai->watch.data = ai;
        ai->open_handles = OPEN_HANDLES;
        *out = ai;
        return 0;
}

const char *ai_provider_name(const struct ai *ai)
{
        return ai->openai ? "openai" : "offline";
}

uint64_t ai_paused_ms(const struct ai *ai, const char *model, uint64_t now_ms)
{
        const struct model *m = ai->openai ? models_find(ai->models, model_name(ai, model)) : NULL;
        return m ? model_paused_ms(m, now_ms) : 0;
}

int ai_ask(struct ai *ai, const struct ai_request *request, ai_done *done, void *arg, struct ai_call **out)
{
        if (ai->closing)
                return -ECANCELED;
        struct ai_call *call = calloc(1, sizeof(*call));
        struct model *model = models_get(ai->models, model_name(ai, request->model));
        if (!call || !model) {
                free(call);
                return -ENOMEM;
        }
        *call = (struct ai_call){ .ai = ai,
                                  .request = request,
                                  .model = model,
                                  .done = done,
                                  .arg = arg,
                                  .asked_ms = clock_mono_ms(),
                                  .state = WAITING };
        list_add(&ai->lists[WAITING], &call->link);
        ai->in_flight++;
        if (out)
                *out = call;
        ai_call_admit(call);
        return 0;
}

void ai_cancel(struct ai *ai, struct ai_call *call)
{
        struct ai_reply reply = { .verdict = AI_CANCELLED, .provider = ai_provider_name(ai) };
        if (call->state == ON_WIRE) {
                openai_cancel(call->exchange);
                model_forget(call->model, call->probe, clock_mono_ms());
        }
        problem_set(&reply.why, "provider", "cancelled", "the call was taken back");
        ai_call_finish(call, &reply);
}

size_t ai_in_flight(const struct ai *ai)
{
        return ai->in_flight;
}

static void ai_call_on_closed(uv_handle_t *handle)
{
        struct ai *ai = handle->data;
        if (--ai->open_handles == 0)
                ai_call_release(ai);
}

void ai_close(struct ai *ai)
{
        struct ai_call *call;
        ai->closing = true;
        for (enum state i = ANSWERING; i <= ON_WIRE; i++)
                while ((call = ai_call_first(ai, i)) != NULL)
                        ai_cancel(ai, call);
        if (ai->openai)
                openai_close(ai->openai);
        uv_close((uv_handle_t *)&ai->soon, ai_call_on_closed);
        uv_close((uv_handle_t *)&ai->sweep, ai_call_on_closed);
        uv_close((uv_handle_t *)&ai->watch, ai_call_on_closed);
}

/* Only if the key is the file's is another one that comes to stand there meant. */
static bool is_in_file(const struct ai_config *config)
{
        char key[KEY_FILE_LONGEST];
        const bool same = key_file_read(config->api_key_file, key) && strcmp(key, config->api_key) == 0;
        explicit_bzero(key, sizeof(key));
        return same;
}

static int open_parts(struct ai *ai, const struct ai_config *config, struct problem *why)
{
        const char *provider = config->provider ? config->provider : "";
        const bool key = config->api_key && *config->api_key, base = config->base_url && *config->base_url;
        const bool openai = strcmp(provider, "openai") == 0;
        if (*provider && !openai && strcmp(provider, "offline") != 0)
                return problem_set(why, "settings", "bad_setting",
                                   "no AI provider is called '%.40s': openai or offline", provider);
        if (openai && !key && !base)
                return problem_set(
                        why, "settings", "bad_setting",
                        "the provider openai needs OPENAI_API_KEY, or OPENAI_BASE_URL of an endpoint without keys");
        ai->model = strdup(config->model ? config->model : "");
        ai->vision_model = strdup(config->vision_model ? config->vision_model : "");
        if (key && is_in_file(config) && !(ai->key_file = strdup(config->api_key_file)))
                return -ENOMEM;
        if (!ai->model || !ai->vision_model || models_new(&ai->models) != 0 || formats_new(&ai->formats) != 0)
                return -ENOMEM;
        if (openai || (!*provider && (key || base)))
                return openai_open(&ai->openai, config, ai_call_pump, ai, why);
        return 0;
}

static void ai_call_release(struct ai *ai)
{
        models_free(ai->models);
        formats_free(ai->formats);
        buffer_free(&ai->body);
        free(ai->model);
        free(ai->vision_model);
        free(ai->key_file);
        free(ai);
}

static const char *model_name(const struct ai *ai, const char *model)
{
        if (!model || model == AI_MODEL_TEXT)
                return ai->model;
        return model == AI_MODEL_VISION ? ai->vision_model : model;
}

/* ---- before a call goes out ---- */

static struct ai_call *ai_call_first(struct ai *ai, enum state state)
{
        return (struct ai_call *)list_first(&ai->lists[state]);
}

static void ai_call_move(struct ai_call *call, enum state state)
{
        list_remove(&call->link);
        list_add(&call->ai->lists[state], &call->link);
        call->state = state;
}

static void answer_soon(struct ai_call *call, enum reason reason, uint64_t wait_ms)
{
        call->reason = reason;
        call->wait_ms = wait_ms;
        ai_call_move(call, ANSWERING);
        uv_idle_start(&call->ai->soon, on_soon);
}

static void ai_call_admit(struct ai_call *call)
{
        struct ai *ai = call->ai;
        const uint64_t paused = ai->openai ? model_paused_ms(call->model, call->asked_ms) : 0;
        if (!ai->openai)
                answer_soon(call, REASON_ASK_OFFLINE, 0);
        else if (paused)
                answer_soon(call, REASON_PAUSED, paused);
        else
                ai_call_pump(ai);
        if (call->state == WAITING && !uv_is_active((uv_handle_t *)&ai->sweep))
                uv_timer_start(&ai->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static unsigned deadline_of(const struct ai_call *call)
{
        return call->request->deadline_ms ? call->request->deadline_ms : DEFAULT_DEADLINE_MS;
}

/* Start who waits, the longest-waiting first, while there is room. */
static void ai_call_pump(void *arg)
{
        struct ai *ai = arg;
        struct ai_call *call;
        const uint64_t now_ms = clock_mono_ms();
        while ((call = ai_call_first(ai, WAITING)) != NULL && openai_admits(ai->openai)) {
                uint64_t wait_ms = 0;
                if (now_ms - call->asked_ms >=
                    deadline_of(call)) /* whoever asked may have lost the right to it since */
                        answer_soon(call, REASON_NO_ROOM, 1);
                else if (model_take(call->model, now_ms, random_bits(), &call->probe, &wait_ms))
                        ai_call_start(call, now_ms);
                else
                        answer_soon(call, REASON_PAUSED, wait_ms);
        }
}

static int ai_call_post(struct ai_call *call, uint64_t now_ms)
{
        struct request_known known;
        struct ai *ai = call->ai;
        const uint64_t waited = now_ms - call->asked_ms, deadline = deadline_of(call);
        int result = formats_get(ai->formats, call->request, &known);
        buffer_reset(&ai->body);
        if (result == 0)
                result = request_write(call->request, call->model->name, &known, &ai->body);
        const struct openai_limits limits = {
                .deadline_ms = (unsigned)(deadline - waited),
                .connect_ms = call->request->connect_timeout_ms,
                .trace = call->request->trace,
        };
        if (result == 0)
                result = openai_post(ai->openai, buffer_view(&ai->body), limits, on_response, call, &call->exchange);
        if (ai->body.capacity > MOST_KEPT_BYTES)
                buffer_free(&ai->body);
        return result;
}

static void ai_call_start(struct ai_call *call, uint64_t now_ms)
{
        call->started_ms = now_ms;
        if (ai_call_post(call, now_ms) == 0) {
                ai_call_move(call, ON_WIRE);
                return;
        }
        model_forget(call->model, call->probe, now_ms);
        answer_soon(call, REASON_NO_MEMORY, NOT_ADMITTED_WAIT_MS + random_bits() % NOT_ADMITTED_WAIT_MS);
}

/* Who has waited long enough, or waits for a model that has been paused since, is told so. */
static void on_sweep(uv_timer_t *timer)
{
        struct ai *ai = timer->data;
        struct ai_call *call, *next;
        const uint64_t now_ms = clock_mono_ms();
        for (call = ai_call_first(ai, WAITING); call; call = next) {
                next = (struct ai_call *)list_next(&ai->lists[WAITING], &call->link);
                const uint64_t paused = model_paused_ms(call->model, now_ms);
                if (paused)
                        answer_soon(call, REASON_PAUSED, paused);
                else if (now_ms - call->asked_ms >= deadline_of(call) / 4)
                        answer_soon(call, REASON_NO_ROOM, NOT_ADMITTED_WAIT_MS + random_bits() % NOT_ADMITTED_WAIT_MS);
        }
        ai_call_pump(ai);
        if (!ai_call_first(ai, WAITING))
                uv_timer_stop(&ai->sweep);
}

/* ---- after ---- */

/* One line when it begins, one when it is over. */
static void tell_endpoint(struct ai *ai, uint64_t now_ms, const struct problem *why)
{
        const bool well = !breaker_is_open(models_endpoint(ai->models));
        if (well == !ai->told)
                return;
        ai->told = !well;
        if (well) {
                log_info("ai", "the endpoint serves us again, after %llu s",
                         (unsigned long long)(now_ms - ai->since_ms) / 1000);
                uv_timer_stop(&ai->watch);
                return;
        }
        ai->why = *why;
        ai->since_ms = now_ms;
        log_warn(
                "ai",
                "the endpoint serves nobody, so all tasks that ask a model wait, and one now and then is tried: code=%s %s",
                why->code, why->text);
        if (ai->key_file)
                uv_timer_start(&ai->watch, on_watch, WATCH_MS, WATCH_MS);
}

/* Has somebody put another key into the file? */
static bool renew_key(struct ai *ai, uint64_t now_ms)
{
        char key[KEY_FILE_LONGEST];
        struct problem why;
        const bool renewed = key_file_read(ai->key_file, key) && openai_rekey(ai->openai, key, &why) == 0;
        if (renewed)
                log_hide(key);
        explicit_bzero(key, sizeof(key));
        if (!renewed)
                return false;
        models_endpoint_renewed(ai->models, now_ms);
        log_info("ai", "another key is in %s: requests go out with it", ai->key_file);
        ai->told = false;
        uv_timer_stop(&ai->watch);
        return true;
}

static void on_watch(uv_timer_t *timer)
{
        struct ai *ai = timer->data;
        renew_key(ai, clock_mono_ms());
}

void ai_tell_trouble(const struct ai *ai, ai_trouble *tell, void *arg)
{
        if (ai->told)
                tell("endpoint", &ai->why, true, arg);
        models_tell(ai->models, tell, arg);
}

void ai_tell_models(const struct ai *ai, uint64_t now_ms, ai_model_tell *tell, void *arg)
{
        if (ai->openai)
                models_tell_states(ai->models, now_ms, tell, arg);
}

/* A model that a task names by itself is the task's own mistake; one that the settings name is everybody's. */
static void ai_call_blame(const struct ai_call *call, struct ai_reply *reply)
{
        const char *model = call->request->model;
        if (reply->fault != AI_FAULT_MODEL || !model || model == AI_MODEL_TEXT || model == AI_MODEL_VISION)
                return;
        reply->verdict = AI_PERMANENT;
        reply->fault = AI_FAULT_NONE;
}

static void on_response(const struct ai_response *response, void *arg)
{
        struct ai_reply reply;
        struct ai_call *call = arg;
        struct ai *ai = call->ai;
        const uint64_t now_ms = clock_mono_ms();
        ai_judge(response, call->request->schema, &reply);
        ai_call_blame(call, &reply);
        reply.asked = true;
        reply.provider = "openai";
        if (!reply.model[0])
                snprintf(reply.model, sizeof(reply.model), "%s", call->model->name);
        if (reply.cost_nano == 0)
                reply.cost_nano = ai_cost_nano(call->model->name, reply.tokens_in, reply.tokens_out);
        if (reply.fault == AI_FAULT_ENDPOINT)
                renew_key(ai, now_ms);
        model_report(call->model, call->probe, response->status, call->started_ms, now_ms, random_bits(), &reply);
        model_tell(call->model, now_ms, &reply);
        tell_endpoint(ai, now_ms, &reply.why);
        ai_call_finish(call, &reply);
}

/* The call is gone before `done` hears of it, so that it can't be taken back from inside. */
static void ai_call_finish(struct ai_call *call, struct ai_reply *reply)
{
        struct ai *ai = call->ai;
        ai_done *done = call->done;
        void *arg = call->arg;
        const uint64_t since = call->started_ms ? call->started_ms : call->asked_ms;
        reply->elapsed_ms = (unsigned)(clock_mono_ms() - since);
        reply->asked_for = ai->openai ? call->model->name : NULL;
        list_remove(&call->link);
        ai->in_flight--;
        free(call);
        done(reply, arg);
        json_decref(reply->content);
}

static void tell_reason(const struct ai_call *call, struct ai_reply *reply)
{
        memset(reply, 0, sizeof(*reply));
        reply->verdict = AI_WAIT;
        reply->wait_ms = call->wait_ms;
        reply->provider = "openai";
        snprintf(reply->model, sizeof(reply->model), "%s", call->model->name);
        if (call->reason == REASON_NO_MEMORY)
                problem_set(&reply->why, "provider", "out_of_memory", "no memory to send the request");
        else if (call->reason == REASON_NO_ROOM)
                problem_set(&reply->why, "provider", "no_room", "all connections to the provider are in use");
        else
                problem_set(&reply->why, "provider", "paused", "calls of %s are held back for %llu ms",
                            call->model->name, (unsigned long long)call->wait_ms);
}

/* Only those that are there now: who asks again from its `done` is heard in the loop's next turn. */
static void on_soon(uv_idle_t *idle)
{
        struct ai *ai = idle->data;
        struct ai_call *call;
        size_t count = 0;
        for (struct listed *l = list_first(&ai->lists[ANSWERING]); l; l = list_next(&ai->lists[ANSWERING], l))
                count++;
        while (count-- > 0 && !ai->closing && (call = ai_call_first(ai, ANSWERING)) != NULL) {
                struct ai_reply reply;
                if (call->reason == REASON_ASK_OFFLINE)
                        offline_reply(ai->offline, ai->offline_arg, call->request, &reply);
                else
                        tell_reason(call, &reply);
                ai_call_finish(call, &reply);
        }
        if (!ai->closing && !ai_call_first(ai, ANSWERING))
                uv_idle_stop(&ai->soon);
}
