/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/image_url.h"

#include "core/text/blob_url.h"
#include "core/text/file_kind.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char data_scheme[] = "data:";
static const char base64_mark[] = ";base64,";

static int check_remote(const char *url, size_t size, const char *authority, struct problem *why);
static int check_data(const char *url, size_t size, struct problem *why);

__attribute__((format(printf, 2, 3))) static int image_url_bad(struct problem *why, const char *format, ...);

static bool image_url_starts_with(const char *text, const char *prefix)
{
        return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

int image_url_check(const char *url, size_t size, struct problem *why)
{
        if (strlen(url) != size)
                return image_url_bad(why, "image_url holds the NUL character");
        if (image_url_starts_with(url, "https://"))
                return check_remote(url, size, url + strlen("https://"), why);
        if (image_url_starts_with(url, "http://"))
                return check_remote(url, size, url + strlen("http://"), why);
        if (image_url_starts_with(url, data_scheme))
                return check_data(url, size, why);
        if (blob_url_digest(url))
                return 0;
        if (size == 0)
                return image_url_bad(why, "image_url is empty");
        return image_url_bad(
                why,
                "image_url must begin with http://, https:// or data:image/, or be blob:sha256: and 64 digits, as an upload gives it; it begins with \"%.40s\"",
                url);
}

/* ---- http and https ---- */

/* Letters, digits, and what else a registered name or an IPv4 address may hold; bytes above 0x7f are an
 * internationalised name. */
static bool is_host_byte(unsigned char c)
{
        return isalnum(c) || c >= 0x80 || strchr("-._~%!$&'()*+,;=", c) != NULL;
}

static bool image_url_is_name(const char *host, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (!host[i] || !is_host_byte((unsigned char)host[i]))
                        return false;
        return size > 0;
}

/* [IPv6], as far as telling it from rubbish goes. */
static bool is_bracketed(const char *host, size_t size)
{
        return size > 4 && host[0] == '[' && host[size - 1] == ']' &&
               strspn(host + 1, "0123456789abcdefABCDEF:.") == size - 2;
}

static bool is_port(const char *port, size_t size)
{
        return size <= 5 && strspn(port, "0123456789") >= size && (size == 0 || strtol(port, NULL, 10) <= UINT16_MAX);
}

/* Splits "user@host:port" up to `size` bytes. */
static bool good_authority(const char *authority, size_t size)
{
        const char *at = memrchr(authority, '@', size);
        const char *host = at ? at + 1 : authority;
        size_t left = size - (size_t)(host - authority);
        const char *close = memchr(host, ']', left);
        const char *colon = memchr(close ? close : host, ':', left - (close ? (size_t)(close - host) : 0));
        size_t host_size = colon ? (size_t)(colon - host) : left;
        if (colon && !is_port(colon + 1, left - host_size - 1))
                return false;
        return image_url_is_name(host, host_size) || is_bracketed(host, host_size);
}

static int check_remote(const char *url, size_t size, const char *authority, struct problem *why)
{
        if (size > IMAGE_URL_MAX)
                return image_url_bad(why, "image_url is %zu bytes long; at most %d are taken", size, IMAGE_URL_MAX);
        for (const char *c = url; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == 0x7f)
                        return image_url_bad(why, "image_url holds a space or control character at byte %td", c - url);
        if (!good_authority(authority, strcspn(authority, "/?#\\")))
                return image_url_bad(why, "image_url has no valid host: \"%.60s\"", url);
        return 0;
}

/* ---- data: ---- */

/* Where the base64 text begins, or NULL when this is no data:image/TYPE;…;base64,… URL. */
static const char *data_start(const char *url, size_t size)
{
        const size_t longest = 128; /* far longer than any media type with its parameters */
        const char *type = url + strlen(data_scheme);
        const char *comma = memchr(url, ',', size < longest ? size : longest);
        const size_t mark = strlen(base64_mark);
        if (!comma || !image_url_starts_with(type, "image/") || comma + 1 < type + strlen("image/x") + mark)
                return NULL;
        if (!image_url_starts_with(comma + 1 - mark, base64_mark))
                return NULL;
        for (const char *c = type + strlen("image/"); c < comma; c++)
                if (!isalnum((unsigned char)*c) && !strchr("+-.;=\"_", *c))
                        return NULL;
        return comma + 1;
}

static bool is_base64(unsigned char c)
{
        return isalnum(c) || c == '+' || c == '/';
}

static unsigned image_url_sextet(char c)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = c ? strchr(digits, c) : NULL;
        return at ? (unsigned)(at - digits) : 0;
}

/* What its first bytes say that it is, whatever the URL calls it. */
static struct file_kind kind_of_data(const char *start, size_t count)
{
        unsigned char head[FILE_KIND_BYTES];
        size_t size = 0;
        unsigned bits = 0, waiting = 0;
        for (size_t i = 0; i < count && size < sizeof(head); i++) {
                bits = bits << 6 | image_url_sextet(start[i]);
                waiting += 6;
                if (waiting < 8)
                        continue;
                waiting -= 8;
                head[size++] = (unsigned char)(bits >> waiting);
        }
        return file_kind_of(bytes_of(head, size));
}

static int check_data(const char *url, size_t size, struct problem *why)
{
        const char *start = data_start(url, size);
        if (!start)
                return image_url_bad(why, "image_url must be data:image/TYPE;base64,DATA; it begins with \"%.40s\"",
                                     url);
        size_t count = size - (size_t)(start - url), padding = 0, good = 0;
        while (padding < 2 && padding < count && start[count - 1 - padding] == '=')
                padding++;
        while (good < count - padding && is_base64((unsigned char)start[good]))
                good++;
        if (good < count - padding)
                return image_url_bad(why, "image_url's base64 data is broken at byte %zu", good);
        if (good < 2 || good % 4 == 1 || (padding && count % 4 != 0))
                return image_url_bad(why, "image_url's base64 data is %s", good ? "cut short" : "empty");
        const struct file_kind kind = kind_of_data(start, good);
        if (kind.name && !kind.is_picture)
                return image_url_bad(why, "image_url holds %s; models take PNG, JPEG, GIF and WebP", kind.name);
        return 0;
}

bool image_url_mark(const char *url, size_t size, char *out, size_t out_size)
{
        out[0] = '\0';
        if (!image_url_starts_with(url, data_scheme))
                return false;
        const char *start = data_start(url, size);
        size_t head = start ? (size_t)(start - url) : strlen(data_scheme);
        size_t text = size - head;
        while (text > 0 && url[head + text - 1] == '=')
                text--;
        snprintf(out, out_size, "%.*s… (%zu bytes)", (int)head, url, text * 3 / 4);
        return true;
}

static int image_url_bad(struct problem *why, const char *format, ...)
{
        char text[sizeof(why->text)];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        return problem_set(why, "task", "bad_image_url", "%s", text);
}
