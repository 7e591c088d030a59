/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/access/jwk.h"

#include "core/json.h"
#include "message/wire/base64.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

enum {
        JWK_MOST = 64,          /* keys of a set; those behind them are passed over */
        JWK_RSA_BITS = 2048,    /* RFC 7518, 3.3: at least */
        JWK_RSA_MOST = 8192,    /* a larger one would make each look dear */
        JWK_COORDINATE = 32,    /* bytes, of P-256 */
        JWK_UNCOMPRESSED = 0x04 /* a point that has both coordinates */
};

struct jwk {
        enum jwk_use use;
        char *kid; /* or NULL */
        EVP_PKEY *key;
};

struct jwk_set {
        size_t count;
        struct jwk keys[JWK_MOST];
};

enum jwk_use jwk_use_of(const char *alg)
{
        if (alg && strcmp(alg, "RS256") == 0)
                return JWK_RS256;
        return alg && strcmp(alg, "ES256") == 0 ? JWK_ES256 : JWK_NONE;
}

/* ---- reading ---- */

static bool jwk_bytes(const json_t *jwk, const char *name, struct buffer *out)
{
        const char *text = json_text(jwk, name, "");
        return *text && base64url_decode(bytes_of_string(text), out) == 0;
}

/* A key of what was built; takes it. NULL: it is none. */
static EVP_PKEY *jwk_make(const char *type, OSSL_PARAM_BLD *build)
{
        EVP_PKEY *key = NULL;
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
        if (!params || !context || EVP_PKEY_fromdata_init(context) != 1 ||
            EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
                key = NULL;
        EVP_PKEY_CTX_free(context);
        OSSL_PARAM_free(params);
        return key;
}

static EVP_PKEY *jwk_rsa(const json_t *jwk)
{
        struct buffer n = { 0 }, e = { 0 };
        EVP_PKEY *key = NULL;
        BIGNUM *modulus = NULL, *exponent = NULL;
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        if (build && jwk_bytes(jwk, "n", &n) && jwk_bytes(jwk, "e", &e) && n.size <= JWK_RSA_MOST / 8 && e.size <= 8) {
                modulus = BN_bin2bn(n.data, (int)n.size, NULL);
                exponent = BN_bin2bn(e.data, (int)e.size, NULL);
        }
        if (modulus && exponent && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1 &&
            BN_num_bits(modulus) >= JWK_RSA_BITS && BN_is_odd(exponent) && !BN_is_one(exponent))
                key = jwk_make("RSA", build);
        OSSL_PARAM_BLD_free(build);
        BN_free(modulus);
        BN_free(exponent);
        buffer_free(&n);
        buffer_free(&e);
        return key;
}

static EVP_PKEY *jwk_ec(const json_t *jwk)
{
        struct buffer point = { 0 };
        EVP_PKEY *key = NULL;
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        buffer_add_byte(&point, JWK_UNCOMPRESSED);
        if (build && strcmp(json_text(jwk, "crv", ""), "P-256") == 0 && jwk_bytes(jwk, "x", &point) &&
            point.size == 1 + JWK_COORDINATE && jwk_bytes(jwk, "y", &point) && point.size == 1 + 2 * JWK_COORDINATE &&
            OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.size) == 1)
                key = jwk_make("EC", build);
        OSSL_PARAM_BLD_free(build);
        buffer_free(&point);
        return key;
}

/* May it be used to look at signatures? Members that are missing allow it. */
static bool jwk_is_meant(const json_t *jwk, enum jwk_use use)
{
        return strcmp(json_text(jwk, "use", "sig"), "sig") == 0 &&
               jwk_use_of(json_text(jwk, "alg", use == JWK_RS256 ? "RS256" : "ES256")) == use;
}

/* -ENOMEM, or 0: it is in the set if it can be used. */
static int jwk_set_add(struct jwk_set *set, const json_t *jwk)
{
        const char *type = json_text(jwk, "kty", ""), *kid = json_text(jwk, "kid", NULL);
        const enum jwk_use use = strcmp(type, "RSA") == 0 ? JWK_RS256 : strcmp(type, "EC") == 0 ? JWK_ES256 : JWK_NONE;
        if (use == JWK_NONE || !jwk_is_meant(jwk, use))
                return 0;
        EVP_PKEY *key = use == JWK_RS256 ? jwk_rsa(jwk) : jwk_ec(jwk);
        char *copy = key && kid ? strdup(kid) : NULL;
        ERR_clear_error();
        if (key && kid && !copy) {
                EVP_PKEY_free(key);
                return -ENOMEM;
        }
        if (key)
                set->keys[set->count++] = (struct jwk){ .use = use, .kid = copy, .key = key };
        return 0;
}

int jwk_set_read(struct jwk_set **out, struct bytes text, struct problem *why)
{
        JSON_OWNED json_t *whole = NULL;
        size_t i;
        json_t *jwk;
        int code = json_parse(text, "gateway", &whole, why);
        if (code)
                return code < 0 ? code
                                : problem_set(why, "gateway", "bad_issuer",
                                              "the issuer's keys are not well-formed JSON");
        struct jwk_set *set = calloc(1, sizeof(*set));
        if (!set)
                return -ENOMEM;
        json_array_foreach(json_object_get(whole, "keys"), i, jwk)
                if (code == 0 && set->count < JWK_MOST)
                        code = jwk_set_add(set, jwk);
        if (code == 0 && set->count == 0)
                code = problem_set(why, "gateway", "bad_issuer", "the issuer has no key for RS256 or ES256");
        if (code) {
                jwk_set_free(set);
                return code;
        }
        *out = set;
        return 0;
}

void jwk_set_free(struct jwk_set *set)
{
        for (size_t i = 0; set && i < set->count; i++) {
                EVP_PKEY_free(set->keys[i].key);
                free(set->keys[i].kid);
        }
        free(set);
}

/* ---- looking at signatures ---- */

static bool jwk_fits(const struct jwk *k, enum jwk_use use, const char *kid)
{
        return k->use == use && (!kid || (k->kid && strcmp(k->kid, kid) == 0));
}

bool jwk_set_has(const struct jwk_set *set, enum jwk_use use, const char *kid)
{
        for (size_t i = 0; i < set->count; i++)
                if (jwk_fits(&set->keys[i], use, kid))
                        return true;
        return false;
}

/* The two numbers of an ES256 signature as OpenSSL reads them. Its size, or 0; *out is OpenSSL's. */
static size_t jwk_ecdsa_der(struct bytes raw, unsigned char **out)
{
        ECDSA_SIG *pair = raw.size == 2 * JWK_COORDINATE ? ECDSA_SIG_new() : NULL;
        BIGNUM *r = pair ? BN_bin2bn(raw.data, JWK_COORDINATE, NULL) : NULL,
               *s = pair ? BN_bin2bn(raw.data + JWK_COORDINATE, JWK_COORDINATE, NULL) : NULL;
        int size = 0;
        if (r && s && ECDSA_SIG_set0(pair, r, s) == 1) { /* which takes both */
                size = i2d_ECDSA_SIG(pair, out);
        } else {
                BN_free(r);
                BN_free(s);
        }
        ECDSA_SIG_free(pair);
        return size > 0 ? (size_t)size : 0;
}

static bool jwk_verify(EVP_PKEY *key, struct bytes text, struct bytes signature)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        const bool ok = context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                        EVP_DigestVerify(context, signature.data, signature.size, text.data, text.size) == 1;
        EVP_MD_CTX_free(context);
        ERR_clear_error();
        return ok;
}

bool jwk_set_verify(const struct jwk_set *set, enum jwk_use use, const char *kid, struct bytes text,
                    struct bytes signature)
{
        unsigned char *der = NULL;
        bool ok = false;
        const size_t size = use == JWK_ES256 ? jwk_ecdsa_der(signature, &der) : signature.size;
        const struct bytes read = bytes_of(der ? der : signature.data, size);
        for (size_t i = 0; i < set->count && !ok && size; i++)
                ok = jwk_fits(&set->keys[i], use, kid) && jwk_verify(set->keys[i].key, text, read);
        OPENSSL_free(der);
        return ok;
}
