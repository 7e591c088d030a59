/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/access/token.h"

#include "core/json.h"
#include "core/text/digest.h"
#include "gateway/api_key.h"
#include "message/wire/base64.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TOKEN_SKEW_S = 60, TOKEN_PARTS = 3 };

/* An issuer whose scopes are shared by several services may put this before chard's. */
#define TOKEN_SCOPE_PREFIX "chard:"

static int token_refuse(struct problem *why, const char *text)
{
        return problem_set(why, "request", "wrong_token", "%s", text);
}

/* ---- its parts ---- */

/* header.claims.signature. False where there are more or fewer. */
static bool token_split(struct bytes text, struct bytes parts[TOKEN_PARTS])
{
        const unsigned char *at = text.data, *const end = at + text.size;
        for (size_t i = 0; i < TOKEN_PARTS; i++) {
                const unsigned char *dot = memchr(at, '.', (size_t)(end - at));
                if (!dot != (i == TOKEN_PARTS - 1))
                        return false;
                parts[i] = bytes_of(at, (size_t)((dot ? dot : end) - at));
                at = dot ? dot + 1 : end;
        }
        return true;
}

/* An object. 0; 1: it is none; -ENOMEM. */
static int token_json(struct bytes part, json_t **out)
{
        struct buffer text = { 0 };
        int code = base64url_decode(part, &text);
        if (text.failed)
                code = -ENOMEM;
        if (code == 0)
                code = json_parse(buffer_view(&text), "request", out, NULL);
        buffer_free(&text);
        return code == 0 && !json_is_object(*out) ? 1 : code;
}

/* ---- who signed it ---- */

/* A set of keys says which algorithms there are; what a token says only chooses among them. */
static int token_signed(const struct bytes parts[TOKEN_PARTS], const json_t *header, const struct jwk_set *set,
                        struct problem *why)
{
        const enum jwk_use use = jwk_use_of(json_text(header, "alg", NULL));
        const char *kid = json_text(header, "kid", NULL);
        struct buffer signature = { 0 };
        if (use == JWK_NONE)
                return token_refuse(why, "a token must be signed by RS256 or ES256");
        if (json_object_get(header, "crit"))
                return token_refuse(why, "this token wants something understood that is not known here (crit)");
        if (!set || !jwk_set_has(set, use, kid)) {
                problem_set(
                        why, "request", "unknown_key",
                        "the key that signed this token is not known yet; its issuer is being asked: send it again");
                return TOKEN_UNKNOWN_KEY;
        }
        const struct bytes text = bytes_of(parts[0].data, parts[0].size + 1 + parts[1].size);
        const bool ok = base64url_decode(parts[2], &signature) == 0 &&
                        jwk_set_verify(set, use, kid, text, buffer_view(&signature));
        const bool starved = signature.failed;
        buffer_free(&signature);
        if (starved)
                return -ENOMEM;
        return ok ? 0 : token_refuse(why, "this token's signature is not its issuer's");
}

/* ---- what it says ---- */

static bool token_has(const json_t *value, const char *wanted)
{
        size_t i;
        json_t *one;
        if (json_is_string(value))
                return strcmp(json_string_value(value), wanted) == 0;
        json_array_foreach(value, i, one)
                if (json_is_string(one) && strcmp(json_string_value(one), wanted) == 0)
                        return true;
        return false;
}

/* A time in seconds, which may have a fraction (RFC 7519, 2). False: it is none. */
static bool token_time(const json_t *claims, const char *name, double *out)
{
        const json_t *value = json_object_get(claims, name);
        *out = json_number_value(value);
        return json_is_number(value) && *out >= 0 && *out < 1e12;
}

static int token_in_time(const json_t *claims, int64_t now_s, struct token_holder *out, struct problem *why)
{
        double until_s = 0, from_s = 0;
        if (!token_time(claims, "exp", &until_s))
                return token_refuse(why, "a token must say when it expires (exp)");
        if (json_object_get(claims, "nbf") && !token_time(claims, "nbf", &from_s))
                return token_refuse(why, "this token does not say from when on it counts (nbf)");
        out->until_s = (int64_t)until_s + TOKEN_SKEW_S;
        if (now_s >= out->until_s)
                return problem_set(why, "request", "expired", "this token has expired: get a new one");
        return from_s > (double)(now_s + TOKEN_SKEW_S)
                       ? problem_set(why, "request", "wrong_token", "this token does not count yet (nbf)")
                       : 0;
}

static unsigned token_scope(const char *name, size_t size)
{
        const size_t prefix = sizeof(TOKEN_SCOPE_PREFIX) - 1;
        const bool prefixed = size > prefix && memcmp(name, TOKEN_SCOPE_PREFIX, prefix) == 0;
        return api_scope_of(prefixed ? name + prefix : name, prefixed ? size - prefix : size);
}

/* Scopes that are somebody else's are passed over. */
static unsigned token_scopes(const json_t *value)
{
        unsigned scopes = 0;
        size_t i;
        json_t *one;
        const char *text = json_is_string(value) ? json_string_value(value) : "";
        for (size_t size; *text; text += size + (text[size] == ' ')) {
                size = strcspn(text, " ");
                scopes |= token_scope(text, size);
        }
        json_array_foreach(value, i, one)
                if (json_is_string(one))
                        scopes |= token_scope(json_string_value(one), json_string_length(one));
        return scopes;
}

static int token_who(const char *issuer, const char *subject, char out[EXCHANGE_WHO_SIZE])
{
        const struct bytes parts[] = { bytes_of_string(issuer), bytes_of_string(subject) };
        char digest[DIGEST_TEXT_SIZE];
        if (!digest_text(parts, 2, digest))
                return -ENOMEM;
        snprintf(out, EXCHANGE_WHO_SIZE, "sub-%.19s", digest);
        return 0;
}

static int token_read(const json_t *claims, const struct token_rules *rules, int64_t now_s, struct token_holder *out,
                      struct problem *why)
{
        const char *issuer = json_text(claims, "iss", ""), *subject = json_text(claims, "sub", "");
        if (strcmp(issuer, rules->issuer) != 0)
                return token_refuse(why, "this token is another issuer's (iss)");
        if (!token_has(json_object_get(claims, "aud"), rules->audience))
                return token_refuse(why, "this token was made for somebody else (aud)");
        if (!*subject)
                return token_refuse(why, "a token must say whose it is (sub)");
        const int code = token_in_time(claims, now_s, out, why);
        if (code)
                return code;
        out->scopes = token_scopes(json_object_get(claims, rules->scope_claim));
        return token_who(issuer, subject, out->who);
}

int token_check(struct bytes text, const struct token_rules *rules, const struct jwk_set *set, int64_t now_s,
                struct token_holder *out, struct problem *why)
{
        struct bytes parts[TOKEN_PARTS];
        JSON_OWNED json_t *header = NULL, *claims = NULL;
        *out = (struct token_holder){ 0 };
        if (!token_split(text, parts))
                return token_refuse(why, "this is neither a key of chard's nor a token (JWT)");
        int code = token_json(parts[0], &header);
        if (code == 0)
                code = token_json(parts[1], &claims);
        if (code)
                return code < 0 ? code : token_refuse(why, "this token is malformed");
        code = token_signed(parts, header, set, why);
        return code ? code : token_read(claims, rules, now_s, out, why);
}
