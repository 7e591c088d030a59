/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that are sent here: looked at, freed of what they tell besides themselves, and kept by the store, so that messages only name them. POST /v1/blobs, and the shorthands of
 * pipelines that take a picture. */
#include "core/image/picture.h"
#include "core/json.h"
#include "core/text/file_kind.h"
#include "gateway/own.h"
#include "pipelines/pipeline.h"
#include "store/blob.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { UPLOAD_FILES = 4 }; /* of one form */

struct upload_file {
        struct upload *upload;
        const struct input_key *key; /* NULL: of no job */
        struct buffer content;
        struct blob blob;
        char url[BLOB_URL_SIZE];
};

struct upload {
        struct gateway *gateway;
        struct exchange *exchange;
        const struct pipeline *pipeline; /* NULL: it is only kept */
        json_t *input;                   /* owned: what else the form says */
        size_t count, open;              /* files; those that the store has not answered for, and one for who asks it */
        struct problem failed;           /* no code: all are kept */
        struct upload_file files[UPLOAD_FILES];
};

static void upload_end(struct upload *u)
{
        for (size_t i = 0; i < u->count; i++)
                buffer_free(&u->files[i].content);
        json_decref(u->input);
        exchange_drop(u->exchange);
        free(u);
}

/* ---- when all are kept ---- */

static void upload_answer(const struct upload *u)
{
        const struct upload_file *f = &u->files[0];
        JSON_OWNED json_t *kept =
                json_pack("{s:s, s:s, s:I}", "url", f->url, "type", f->blob.type, "size", (json_int_t)f->content.size);
        exchange_answer_json(u->exchange, 201, kept);
}

/* The form has become a body of JSON, by which an Idempotency-Key knows the request: a client that sends it again may have chosen another boundary. */
static void upload_submit(struct upload *u)
{
        struct buffer text = { 0 };
        for (size_t i = 0; i < u->count; i++)
                json_object_set_new(u->input, u->files[i].key->name, json_string(u->files[i].url));
        json_write(u->input, &text);
        if (text.failed) {
                buffer_free(&text);
                answer_starved(u->exchange);
                return;
        }
        exchange_replace_body(u->exchange, &text);
        submit_fields(u->gateway, u->exchange, u->pipeline, u->input);
}

static void upload_settle(struct upload *u)
{
        if (--u->open > 0)
                return;
        /* whose client has left, its headers gone with it, was promised nothing */
        if (u->failed.code[0])
                exchange_answer_problem(u->exchange, &u->failed);
        else if (!u->pipeline)
                upload_answer(u);
        else if (!exchange_is_over(u->exchange))
                upload_submit(u);
        upload_end(u);
}

static void on_upload_kept(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct upload *u = ((struct upload_file *)arg)->upload;
        (void)stored;
        if (result != STORE_DONE && why)
                u->failed = *why;
        else if (result != STORE_DONE)
                problem_set(&u->failed, "store", "closed", "the store was closed before it had the picture");
        upload_settle(u);
}

static void upload_keep(struct upload *u)
{
        struct store *store = jobs_store(u->gateway->jobs);
        if (u->count && !store->backend->up(store))
                problem_set(&u->failed, "store", "away",
                            "the store, which keeps pictures, is away; nothing was done: ask again");
        exchange_replace_body(u->exchange, &(struct buffer){ 0 });
        for (size_t i = 0; i < u->count; i++)
                exchange_count_body(u->exchange, u->files[i].content.size);
        for (size_t i = 0; i < u->count && !u->failed.code[0]; i++) {
                u->open++;
                store->blob->put(store, &u->files[i].blob, on_upload_kept, &u->files[i]);
        }
        upload_settle(u);
}

/* ---- a picture ---- */

/* 0; 1 with `why`; or -ENOMEM. */
static int upload_read_picture(struct upload *u, const struct input_key *key, struct bytes content, struct problem *why)
{
        const size_t most = u->gateway->config.upload_most;
        if (u->count == UPLOAD_FILES)
                return problem_set(why, "request", "bad_form", "a form may have %d pictures at most", UPLOAD_FILES);
        if (content.size > most)
                return problem_set(why, "request", "too_large", "a picture may have %zu bytes at most", most);
        struct upload_file *f = &u->files[u->count++];
        f->upload = u;
        f->key = key;
        const int code = picture_strip(content, &f->content, why);
        if (code)
                return code;
        if (!blob_url_of(buffer_view(&f->content), f->url))
                return -ENOMEM;
        memcpy(f->blob.digest, blob_url_digest(f->url), BLOB_DIGEST_SIZE);
        f->blob.type = file_kind_of(buffer_view(&f->content)).media;
        f->blob.content = buffer_view(&f->content);
        return 0;
}

static struct upload *upload_new(struct gateway *g, struct exchange *x, const struct pipeline *p)
{
        struct upload *u = calloc(1, sizeof(*u));
        json_t *input = u ? json_object() : NULL;
        if (!input) {
                free(u);
                answer_starved(x);
                return NULL;
        }
        u->gateway = g;
        u->exchange = x;
        u->pipeline = p;
        u->input = input;
        u->open = 1;
        exchange_keep(x, GATEWAY_ANSWER_MS);
        return u;
}

/* What was read of the request is in order (0), or not, as `code` and `why` say. */
static void upload_go(struct upload *u, int code, const struct problem *why)
{
        if (code == 0) {
                upload_keep(u);
                return;
        }
        if (code < 0)
                answer_starved(u->exchange);
        else
                exchange_answer_problem(u->exchange, why);
        upload_end(u);
}

/* ---- forms ---- */

bool upload_is_form(const struct exchange *x)
{
        const char *type = exchange_header(x, "Content-Type");
        return strncasecmp(type ? type : "", MULTIPART_TYPE, strlen(MULTIPART_TYPE)) == 0;
}

static const struct input_key *upload_key(const struct pipeline *p, struct bytes name)
{
        for (const struct input_key *key = p ? p->input : NULL; key && key->name; key++)
                if (strlen(key->name) == name.size && memcmp(key->name, name.data, name.size) == 0)
                        return key;
        return NULL;
}

static bool upload_is_picture(const struct multipart_part *part)
{
        return part->file || (part->type.size > 6 && strncasecmp((const char *)part->type.data, "image/", 6) == 0);
}

/* A text, or, where the pipeline takes a list, JSON. */
static int upload_read_text(struct upload *u, const struct input_key *key, const struct multipart_part *part,
                            struct problem *why)
{
        char name[64];
        json_t *value = NULL;
        snprintf(name, sizeof(name), "%.*s", (int)(part->name.size < 60 ? part->name.size : 60),
                 (const char *)part->name.data);
        JSON_OWNED json_t *checked = json_string(name);
        if (!checked || strlen(name) != part->name.size)
                return problem_set(why, "request", "bad_form", "the form has a part whose name is no key");
        if (json_object_get(u->input, name))
                return problem_set(why, "request", "bad_form", "the form has two parts named \"%s\"", name);
        if (key && key->kind == INPUT_LIST) {
                const int code = json_parse(part->content, "request", &value, why);
                if (code)
                        return code;
        } else {
                value = json_stringn((const char *)part->content.data, part->content.size);
        }
        if (!value)
                return problem_set(why, "request", "bad_form", "the form's part \"%s\" must be a text in UTF-8", name);
        return json_object_set_new(u->input, name, value) ? -ENOMEM : 0;
}

static int upload_read_part(struct upload *u, const struct multipart_part *part, struct problem *why)
{
        const struct input_key *key = upload_key(u->pipeline, part->name);
        if (!upload_is_picture(part))
                return upload_read_text(u, key, part, why);
        if (u->pipeline && (!key || key->kind != INPUT_URL))
                return problem_set(why, "request", "bad_form", "no file is taken as \"%.*s\" here",
                                   (int)(part->name.size < 60 ? part->name.size : 60), (const char *)part->name.data);
        for (size_t i = 0; key && i < u->count; i++)
                if (u->files[i].key == key)
                        return problem_set(why, "request", "bad_form", "the form has two files named \"%s\"",
                                           key->name);
        return upload_read_picture(u, key, part->content, why);
}

static int upload_read_form(struct upload *u, struct problem *why)
{
        struct multipart form;
        struct multipart_part part;
        int code =
                multipart_begin(&form, exchange_header(u->exchange, "Content-Type"), exchange_body(u->exchange), why);
        while (code == 0) {
                code = multipart_next(&form, &part, why);
                if (code == 0)
                        code = upload_read_part(u, &part, why);
        }
        return code == MULTIPART_END ? 0 : code;
}

void upload_job(struct gateway *g, struct exchange *x, const struct pipeline *p)
{
        struct problem why;
        struct upload *u = upload_new(g, x, p);
        if (u)
                upload_go(u, upload_read_form(u, &why), &why);
}

bool upload_fits(const struct pipeline *p)
{
        for (const struct input_key *key = p->input; key && key->name; key++)
                if (key->kind == INPUT_URL)
                        return true;
        return false;
}

/* ---- one picture ---- */

void upload_picture(void *owner, struct exchange *x)
{
        struct problem why;
        struct upload *u = upload_new((struct gateway *)owner, x, NULL);
        if (!u)
                return;
        int code = upload_is_form(x) ? upload_read_form(u, &why) : upload_read_picture(u, NULL, exchange_body(x), &why);
        if (code == 0 && (u->count != 1 || json_object_size(u->input)))
                code = problem_set(&why, "request", "bad_form", "the form must have one file, and nothing else");
        upload_go(u, code, &why);
}
