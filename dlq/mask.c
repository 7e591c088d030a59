/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/mask.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
        return isdigit((unsigned char)c) != 0;
}

static bool is_letter(char c)
{
        return isalpha((unsigned char)c) != 0;
}

static bool is_alnum(char c)
{
        return isalnum((unsigned char)c) != 0;
}

/* How many of the first bytes are of that kind. */
static size_t mask_span(const char *at, const char *end, const char *more)
{
        size_t size = 0;
        while (at + size < end && (is_alnum(at[size]) || (at[size] && strchr(more, at[size]))))
                size++;
        return size;
}

static size_t mask_digits(const char *at, const char *end)
{
        size_t size = 0;
        while (at + size < end && is_digit(at[size]))
                size++;
        return size;
}

static bool mask_starts(const char *at, const char *end, const char *with)
{
        const size_t size = strlen(with);
        return (size_t)(end - at) >= size && strncasecmp(at, with, size) == 0;
}

/* Is the text of `size` bytes one of those words (separated by blanks)? */
static bool mask_listed(const char *words, const char *text, size_t size)
{
        for (const char *at = words; *at;) {
                const size_t word = strcspn(at, " ");
                if (word == size && strncasecmp(at, text, size) == 0)
                        return true;
                at += word + (at[word] == ' ');
        }
        return false;
}

/* ---- addresses ---- */

size_t mask_url(const char *at, const char *end)
{
        size_t size = mask_span(at, end, "+.-");
        const bool named = is_letter(*at) && mask_starts(at + size, end, "://");
        if (!named && !mask_starts(at, end, "data:") && !mask_starts(at, end, "www.") && !mask_starts(at, end, "arn:"))
                return 0;
        size = 0;
        while (at + size < end && (unsigned char)at[size] > ' ' && !strchr("\"'<>)]}`,", at[size]))
                size++;
        while (size > 0 && strchr(".;:", at[size - 1])) /* the sentence's own */
                size--;
        return size > strlen("data:") ? size : 0;
}

size_t mask_email(const char *at, const char *end)
{
        const size_t name = mask_span(at, end, "._%+-");
        if (name == 0 || at + name >= end || at[name] != '@')
                return 0;
        size_t host = mask_span(at + name + 1, end, ".-");
        while (host > 0 && at[name + host] == '.')
                host--;
        return host > 2 && memchr(at + name + 1, '.', host) ? name + 1 + host : 0;
}

size_t mask_address(const char *at, const char *end)
{
        size_t size = 0, colons = 0, hex = 0;
        while (at + size < end &&
               (isxdigit((unsigned char)at[size]) || at[size] == ':' || (size > 0 && at[size] == '.'))) {
                colons += at[size] == ':';
                hex += at[size] != ':' && at[size] != '.';
                size++;
        }
        while (size > 0 && (at[size - 1] == '.' || (at[size - 1] == ':' && size > 1 && at[size - 2] != ':')))
                size--, colons -= at[size] == ':';
        const bool short_form = memmem(at, size, "::", 2) != NULL;
        const bool ends = at + size >= end || !is_alnum(at[size]);
        return ends && hex > 0 && (colons >= 5 || (short_form && colons >= 2)) ? size : 0;
}

size_t mask_path(const char *at, const char *end)
{
        static const char roots[] = "app data dev etc home media mnt opt private proc root run srv tmp users usr var "
                                    "volumes workspace";
        const bool drive = end - at > 2 && is_letter(at[0]) && at[1] == ':' && at[2] == '\\';
        if (!drive && !(end - at > 1 && (at[0] == '/' || (strchr("~.", at[0]) && at[1] == '/'))))
                return 0;
        if (at[0] == '/') {
                const size_t root = mask_span(at + 1, end, "_-");
                if (at + 1 + root >= end || at[1 + root] != '/' || !mask_listed(roots, at + 1, root))
                        return 0;
        }
        size_t size = 0;
        while (at + size < end && (unsigned char)at[size] > ' ' && !strchr("\"'<>)]}`,;", at[size]) &&
               (at[size] != ':' || (drive && size == 1)))
                size++;
        return size;
}

size_t mask_file(const char *at, const char *end)
{
        static const char kinds[] =
                "avif bmp csv doc docx gif heic heif jpeg jpg json mov mp3 mp4 pdf png svg tif tiff txt "
                "wav webp zip";
        size_t size = 0;
        while (at + size < end && ((unsigned char)at[size] >= 0x80 || is_alnum(at[size]) || strchr("._-", at[size])))
                size++;
        while (size > 0 && at[size - 1] == '.')
                size--;
        const char *dot = size > 0 ? memrchr(at, '.', size) : NULL;
        return dot && dot > at && mask_listed(kinds, dot + 1, (size_t)(at + size - dot) - 1) ? size : 0;
}

/* ---- times ---- */

static size_t clock_size(const char *at, const char *end)
{
        size_t size = 0;
        while (at + size < end && (is_digit(at[size]) || strchr(":.,", at[size])))
                size++;
        while (size > 0 && !is_digit(at[size - 1]))
                size--;
        return size >= 5 && memchr(at, ':', size) ? size : 0;
}

static size_t zone_size(const char *at, const char *end)
{
        if (at < end && (*at == 'Z' || *at == 'z'))
                return 1;
        if (mask_starts(at, end, " GMT") || mask_starts(at, end, " UTC"))
                return 4;
        const size_t blank = at < end && *at == ' ';
        const char *sign = at + blank;
        if (sign >= end || (*sign != '+' && *sign != '-') || mask_digits(sign + 1, end) < 2)
                return 0;
        size_t size = 1;
        while (sign + size < end && (is_digit(sign[size]) || sign[size] == ':'))
                size++;
        return blank + size;
}

static size_t iso_size(const char *at, const char *end)
{
        if (mask_digits(at, end) != 4 || end - at < 10 || !strchr("-/", at[4]) || mask_digits(at + 5, end) != 2 ||
            at[7] != at[4] || mask_digits(at + 8, end) < 2)
                return 0;
        size_t size = 10;
        if (at + size < end && strchr("Tt ", at[size])) {
                const size_t clock = clock_size(at + size + 1, end);
                size += clock ? 1 + clock + zone_size(at + size + 1 + clock, end) : 0;
        }
        return size;
}

/* "Mon, 30 Nov 2026 01:02:03 GMT", with or without the day and the time. */
static size_t http_size(const char *at, const char *end)
{
        static const char days[] = "mon tue wed thu fri sat sun";
        static const char months[] = "jan feb mar apr may jun jul aug sep oct nov dec";
        const char *from = at;
        if (end - at > 5 && mask_listed(days, at, 3) && at[3] == ',' && at[4] == ' ')
                from += 5;
        const size_t day = mask_digits(from, end);
        if (day == 0 || day > 2 || end - from < (ptrdiff_t)day + 9 || !strchr(" -", from[day]) ||
            !mask_listed(months, from + day + 1, 3))
                return 0;
        const char *year = from + day + 5;
        if (mask_digits(year, end) != 4)
                return 0;
        size_t size = (size_t)(year + 4 - at);
        const size_t clock = at + size < end && at[size] == ' ' ? clock_size(at + size + 1, end) : 0;
        return clock ? size + 1 + clock + zone_size(at + size + 1 + clock, end) : size;
}

size_t mask_time(const char *at, const char *end)
{
        const size_t iso = iso_size(at, end);
        return iso ? iso : http_size(at, end);
}

/* ---- ids ---- */

/* Letters and digits by turns, or case by turns, at a length that no word has. */
static bool looks_random(const char *at, size_t size)
{
        size_t turns = 0, numbers = 0, cases = 0, hex = 0;
        for (size_t i = 0; i < size; i++) {
                numbers += is_digit(at[i]);
                hex += isxdigit((unsigned char)at[i]) != 0;
                turns += i > 0 && is_digit(at[i]) != is_digit(at[i - 1]);
                cases += i > 0 && is_letter(at[i]) && is_letter(at[i - 1]) && islower((unsigned char)at[i - 1]) &&
                         isupper((unsigned char)at[i]);
        }
        if (numbers == size)
                return false;
        return (size >= 8 && numbers > 0 && (turns >= 2 || hex == size)) || (size >= 16 && numbers > 0) ||
               (size >= 20 && cases >= 4);
}

/* What stands before a number or a random piece and says whose id it is. */
static bool is_owner(const char *at, size_t size)
{
        return mask_listed(
                "account acct asst batch call chat chatcmpl cmpl cus doc file ft gen host id image img item job key "
                "msg message node order org page photo pod proj project ray req request resp response row run "
                "sess session sk span task thread tok token trace tr user usr worker",
                at, size);
}

/* A UUID, or hexadecimal digits and dashes of that kind. */
static size_t hex_size(const char *at, const char *end)
{
        size_t size = mask_starts(at, end, "0x") ? 2 : 0, numbers = 0;
        while (at + size < end &&
               (isxdigit((unsigned char)at[size]) ||
                (size > 0 && at[size] == '-' && at + size + 1 < end && isxdigit((unsigned char)at[size + 1])))) {
                numbers += is_digit(at[size]);
                size++;
        }
        const bool whole = at + size >= end || (!is_alnum(at[size]) && at[size] != '_' && at[size] != '-');
        return whole && size >= 8 && numbers > 0 && numbers < size ? size : 0;
}

size_t mask_id(const char *at, const char *end)
{
        const size_t hex = hex_size(at, end), size = mask_span(at, end, "_-");
        if (hex || size == 0)
                return hex;
        const char *last = at + size;
        size_t from = 0;
        bool owned = false;
        for (const char *part = at; part < last;) {
                const size_t length = mask_span(part, last, "");
                if (looks_random(part, length) || (owned && length > 0 && mask_digits(part, part + length) > 0))
                        return size;
                if (from++ == 0) {
                        size_t word = 0;
                        while (word < length && is_letter(part[word]))
                                word++;
                        owned = is_owner(part, length);
                        if (word < length && mask_digits(part + word, last) == length - word && is_owner(part, word))
                                return size; /* user42 */
                }
                part += length + 1;
        }
        return 0;
}

/* ---- numbers ---- */

static size_t unit_size(const char *at, const char *end)
{
        size_t size = 0;
        if (at < end && *at == '%')
                return 1;
        while (at + size < end && is_letter(at[size]) && size < 4)
                size++;
        const bool ends = at + size >= end || !is_letter(at[size]);
        return ends ? size : 0;
}

size_t mask_number(const char *at, const char *end)
{
        size_t size = (size_t)(at < end && (strchr("+-$#", *at) && *at));
        if (at + size >= end || !is_digit(at[size]))
                return 0;
        while (at + size < end) {
                size += mask_digits(at + size, end);
                if (end - at - (ptrdiff_t)size > 1 && strchr(".,:/-_", at[size]) && is_digit(at[size + 1])) {
                        size++;
                        continue;
                }
                const size_t unit = unit_size(at + size, end);
                size += unit;
                if (unit == 0 || at + size >= end || !is_digit(at[size])) /* 1m30s */
                        return size;
        }
        return size;
}

/* The word before `at`, without what parts the two: "status code: 429". */
static size_t word_before(const char *text, const char *at, const char **word)
{
        while (at > text && strchr(" :=#(['\"/`", at[-1]))
                at--;
        const char *last = at;
        while (at > text && (is_letter(at[-1]) || at[-1] == '_'))
                at--;
        *word = at;
        return (size_t)(last - at);
}

bool mask_is_code(const char *text, const char *at, size_t size, const char *end)
{
        static const char reasons[] =
                "bad unauthorized payment forbidden not method request conflict gone payload content "
                "too internal service gateway unprocessable client web";
        const char *word;
        if (size > 5)
                return false;
        const size_t before = word_before(text, at, &word);
        if (mask_listed("answered http status code error errno returned exit signal curl sqlstate err", word, before))
                return true;
        if (size != 3 || mask_digits(at, end) != 3 || (*at != '4' && *at != '5') || at + 4 >= end || at[3] != ' ')
                return false;
        return isupper((unsigned char)at[4]) && mask_listed(reasons, at + 4, mask_span(at + 4, end, ""));
}

size_t mask_plural_size(const char *at, const char *end)
{
        static const char units[] =
                "attempts bytes characters credits days dollars files hours images items messages "
                "milliseconds minutes months parts pixels places retries requests seconds steps times "
                "tokens units weeks words";
        if (at >= end || *at != ' ')
                return 0;
        const size_t size = mask_span(at + 1, end, "");
        return mask_listed(units, at + 1, size) ? size + 1 : 0;
}

/* ---- quotations ---- */

static const struct {
        const char *open, *close;
} marks[] = {
        { "\"", "\"" }, { "“", "”" },   { "„", "“" },   { "«", "»" },   { "‘", "’" }, { "‹", "›" }, { "「", "」" },
        { "『", "』" }, { "《", "》" }, { "〈", "〉" }, { "＂", "＂" }, { "'", "'" }, { "`", "`" },
};

/* An apostrophe is one in the middle of a word. */
static bool mask_closes(const char *at, const char *end, const char *mark)
{
        return *mark != '\'' || at + 1 >= end || !is_alnum(at[1]);
}

static const char *mask_closing(const char *at, const char *end, const char *mark)
{
        const size_t size = strlen(mark);
        for (; end - at >= (ptrdiff_t)size; at++) {
                if (*at == '\\' && end - at > 1)
                        at++;
                else if (memcmp(at, mark, size) == 0 && mask_closes(at, end, mark))
                        return at;
        }
        return NULL;
}

struct mask_quote mask_quote(const char *text, const char *at, const char *end)
{
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
                const size_t open = strlen(marks[i].open);
                const bool plain = *marks[i].open == '\'' || *marks[i].open == '`';
                if ((size_t)(end - at) < open || memcmp(at, marks[i].open, open) != 0)
                        continue;
                if (plain && at > text && is_alnum(at[-1]))
                        continue;
                const char *inner = at + open, *last = mask_closing(inner, end, marks[i].close);
                if (!last && plain)
                        continue;
                const size_t close = last ? strlen(marks[i].close) : 0;
                last = last ? last : end;
                return (struct mask_quote){ (size_t)(last + close - at), inner, (size_t)(last - inner) };
        }
        return (struct mask_quote){ 0 };
}

static bool is_naming(const char *word, size_t size)
{
        return mask_listed(
                "argument attribute column constraint field fields function header key keyword keywords member method "
                "model module option parameter param property queue relation section table task tool type",
                word, size);
}

bool mask_is_name(const char *text, const struct mask_quote *q, const char *end)
{
        const char *word, *after = q->inner + q->inner_size;
        if (q->inner_size == 0 || !(is_letter(*q->inner) || strchr("_$@/", *q->inner)) ||
            mask_span(q->inner, after, "_.-[]/:$@") != q->inner_size)
                return false;
        if (mask_span(q->inner, after, "") != q->inner_size) /* more than a word of a language */
                return true;
        const size_t before = word_before(text, q->inner, &word);
        if (is_naming(word, before))
                return true;
        while (after < end && !is_alnum(*after))
                after++;
        const size_t size = mask_span(after, end, "");
        return is_naming(after, size) || mask_listed("missing required must", after, size) ||
               mask_starts(after, end, "is missing") || mask_starts(after, end, "is required") ||
               mask_starts(after, end, "is not one of") || mask_starts(after, end, "is not supported") ||
               mask_starts(after, end, "is no ");
}

bool mask_is_sentence(const char *text, const char *at)
{
        const char *word, *colon = at;
        while (colon > text && colon[-1] == ' ')
                colon--;
        if (colon == text || colon[-1] != ':')
                return false;
        const size_t size = word_before(text, at, &word);
        return word > text && strchr("\"'", word[-1]) &&
               mask_listed("code detail error message msg reason status title type", word, size);
}
