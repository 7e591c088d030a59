/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/picture.h"

#include "core/image/orientation.h"
#include "core/text/file_kind.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What is being read: nothing is taken of it that is not there. */
struct picture_reader {
        struct bytes in;
        size_t at;
        struct buffer *out;
};

enum picture_end { PICTURE_WHOLE, PICTURE_SHORT, PICTURE_BROKEN };

static size_t picture_left(const struct picture_reader *p)
{
        return p->in.size - p->at;
}

/* The next bytes, which are passed over; NULL where there are fewer. */
static const unsigned char *picture_take(struct picture_reader *p, size_t size)
{
        const unsigned char *from = p->in.data + p->at;
        if (picture_left(p) < size)
                return NULL;
        p->at += size;
        return from;
}

static void picture_keep(struct picture_reader *p, size_t from)
{
        buffer_add(p->out, p->in.data + from, p->at - from);
}

static size_t picture_big16(const unsigned char *at)
{
        return (size_t)at[0] << 8 | at[1];
}

static size_t picture_big32(const unsigned char *at)
{
        return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

static size_t picture_little32(const unsigned char *at)
{
        return (size_t)at[3] << 24 | (size_t)at[2] << 16 | (size_t)at[1] << 8 | at[0];
}

static bool picture_is(const unsigned char *at, size_t size, const char *text, size_t length)
{
        return size >= length && memcmp(at, text, length) == 0;
}

/* Is a name of four letters one of those in a list without separators? */
static bool picture_among(const unsigned char name[4], const char *list)
{
        for (; *list; list += 4)
                if (memcmp(name, list, 4) == 0)
                        return true;
        return false;
}

/* ---- JPEG: markers, each with a segment behind it; behind SOS the picture itself, up to the next marker ---- */

enum {
        JPEG_TEM = 0x01,
        JPEG_RST0 = 0xD0,
        JPEG_RST7 = 0xD7,
        JPEG_SOI = 0xD8,
        JPEG_EOI = 0xD9,
        JPEG_SOS = 0xDA,
        JPEG_APP0 = 0xE0,
        JPEG_COM = 0xFE,
        JFIF_SIZE = 14
};

/* What an APPn segment or a comment says of the picture's looks stays. */
static bool jpeg_stays(int marker, const unsigned char *data, size_t size)
{
        switch (marker) {
        case JPEG_APP0: return picture_is(data, size, "JFIF", 5);
        case JPEG_APP0 + 2: return picture_is(data, size, "ICC_PROFILE", 12);
        case JPEG_APP0 + 14: return picture_is(data, size, "Adobe", 5);
        default: return marker < JPEG_APP0 || (marker > JPEG_APP0 + 15 && marker != JPEG_COM);
        }
}

/* A JFIF segment of that size may have a thumbnail behind its head: the head alone, which says that there is none. */
static void jpeg_keep_jfif(struct picture_reader *p, const unsigned char *data)
{
        static const unsigned char head[4] = { 0xFF, JPEG_APP0, 0, JFIF_SIZE + 2 }, none[2] = { 0 };
        buffer_add(p->out, head, sizeof(head));
        buffer_add(p->out, data, JFIF_SIZE - sizeof(none));
        buffer_add(p->out, none, sizeof(none));
}

/* In place of all that a camera says: how it was held, unless upright. */
static void jpeg_turn(struct picture_reader *p, const unsigned char *data, size_t size, bool *turned)
{
        unsigned char segment[ORIENTATION_SEGMENT];
        const unsigned turn = *turned ? 0 : orientation_read(bytes_of(data, size));
        if (turn < 2)
                return;
        *turned = true;
        orientation_write(turn, segment);
        buffer_add(p->out, segment, sizeof(segment));
}

static bool jpeg_restarts(int marker)
{
        return marker >= JPEG_RST0 && marker <= JPEG_RST7;
}

/* The compressed picture, up to the next marker that is none of its own. */
static void jpeg_scan(struct picture_reader *p)
{
        const size_t from = p->at;
        for (;;) {
                const unsigned char *next = memchr(p->in.data + p->at, 0xFF, picture_left(p));
                p->at = next ? (size_t)(next - p->in.data) : p->in.size;
                if (picture_left(p) < 2)
                        break;
                const unsigned char code = p->in.data[p->at + 1];
                if (code != 0 && code != 0xFF && !jpeg_restarts(code))
                        break;
                p->at += code == 0xFF ? 1 : 2;
        }
        picture_keep(p, from);
}

/* The next marker, fill bytes before it left out; 0 at the end, -1 for what is none. */
static int jpeg_marker(struct picture_reader *p)
{
        const unsigned char *at = picture_take(p, 1);
        if (!at)
                return 0;
        if (*at != 0xFF)
                return -1;
        while ((at = picture_take(p, 1)) && *at == 0xFF)
                continue;
        return !at ? 0 : *at ? *at : -1;
}

/* The segment behind a marker, and what follows that. PICTURE_WHOLE: go on. */
static enum picture_end jpeg_segment(struct picture_reader *p, int marker, bool *turned)
{
        const unsigned char head[2] = { 0xFF, (unsigned char)marker };
        const size_t from = p->at;
        const unsigned char *length = picture_take(p, 2);
        const size_t size = length ? picture_big16(length) : 2;
        const unsigned char *data = length && size >= 2 ? picture_take(p, size - 2) : NULL;
        if (!data)
                return size < 2 ? PICTURE_BROKEN : PICTURE_SHORT;
        if (marker == JPEG_APP0 && size - 2 > JFIF_SIZE && jpeg_stays(marker, data, size - 2)) {
                jpeg_keep_jfif(p, data);
        } else if (jpeg_stays(marker, data, size - 2)) {
                buffer_add(p->out, head, 2);
                picture_keep(p, from);
        }
        if (marker == JPEG_APP0 + 1)
                jpeg_turn(p, data, size - 2, turned);
        if (marker == JPEG_SOS)
                jpeg_scan(p);
        return PICTURE_WHOLE;
}

static enum picture_end jpeg_strip(struct picture_reader *p)
{
        static const unsigned char end[2] = { 0xFF, JPEG_EOI };
        bool turned = false, shown = false;
        p->at = 2;
        picture_keep(p, 0);
        for (;;) {
                const int marker = jpeg_marker(p);
                if (marker <= 0 || marker == JPEG_SOI)
                        return marker ? PICTURE_BROKEN : PICTURE_SHORT;
                if (marker == JPEG_EOI) {
                        buffer_add(p->out, end, sizeof(end));
                        return shown ? PICTURE_WHOLE : PICTURE_BROKEN;
                }
                if (marker == JPEG_TEM || jpeg_restarts(marker))
                        continue; /* no segment behind it; outside of a scan it says nothing, and decoders pass over it */
                const enum picture_end code = jpeg_segment(p, marker, &turned);
                if (code != PICTURE_WHOLE)
                        return code;
                shown = shown || marker == JPEG_SOS;
        }
}

/* ---- PNG: chunks ---- */

/* Those that a picture cannot be without begin with a capital letter. */
static bool png_stays(const unsigned char name[4])
{
        return !(name[0] & 0x20) ||
               picture_among(name, "tRNSgAMAcHRMsRGBiCCPsBITbKGDpHYshISTsPLTcICPmDCVmDCvcLLIcLLiacTLfcTLfdAT");
}

static enum picture_end png_strip(struct picture_reader *p)
{
        bool first = true, data = false;
        p->at = 8;
        if (!picture_is(p->in.data, p->in.size, "\x89PNG\r\n\x1a\n", 8))
                return p->in.size < 8 ? PICTURE_SHORT : PICTURE_BROKEN;
        picture_keep(p, 0);
        for (;;) {
                const size_t from = p->at;
                const unsigned char *head = picture_take(p, 8);
                if (!head)
                        return PICTURE_SHORT;
                const unsigned char *name = head + 4;
                const size_t size = picture_big32(head);
                if (first != (memcmp(name, "IHDR", 4) == 0) || size > 0x7fffffff)
                        return PICTURE_BROKEN;
                if (!picture_take(p, size + 4))
                        return PICTURE_SHORT;
                if (png_stays(name))
                        picture_keep(p, from);
                first = false;
                data = data || memcmp(name, "IDAT", 4) == 0;
                if (memcmp(name, "IEND", 4) == 0)
                        return data ? PICTURE_WHOLE : PICTURE_BROKEN;
        }
}

/* ---- WebP: chunks of a RIFF file ---- */

enum { WEBP_EXIF = 0x08, WEBP_XMP = 0x04 }; /* flags of VP8X: such a chunk is there */

/* One chunk. PICTURE_WHOLE: go on. */
static enum picture_end webp_chunk(struct picture_reader *p, size_t end, bool *data)
{
        const size_t from = p->at;
        const unsigned char *head = end - p->at >= 8 ? picture_take(p, 8) : NULL;
        if (!head)
                return PICTURE_BROKEN;
        const size_t size = picture_little32(head + 4), padded = size + (size & 1);
        if (padded > end - p->at)
                return PICTURE_BROKEN;
        p->at += padded;
        if (!picture_among(head, "VP8 VP8LVP8XALPHANIMANMFICCP"))
                return PICTURE_WHOLE;
        *data = *data || picture_among(head, "VP8 VP8LANMF");
        picture_keep(p, from);
        if (memcmp(head, "VP8X", 4) == 0 && size > 0 && !p->out->failed)
                p->out->data[p->out->size - padded] &= (unsigned char)~(WEBP_EXIF | WEBP_XMP);
        return PICTURE_WHOLE;
}

static enum picture_end webp_strip(struct picture_reader *p)
{
        bool data = false;
        const size_t start = p->out->size;
        const unsigned char *head = picture_take(p, 12);
        if (!head || memcmp(head, "RIFF", 4) != 0)
                return head ? PICTURE_BROKEN : PICTURE_SHORT;
        const size_t size = picture_little32(head + 4), end = size + 8;
        if (size < 4)
                return PICTURE_BROKEN;
        if (end > p->in.size)
                return PICTURE_SHORT;
        picture_keep(p, 0);
        while (p->at < end) {
                const enum picture_end code = webp_chunk(p, end, &data);
                if (code != PICTURE_WHOLE)
                        return code;
        }
        const size_t kept = p->out->size - start - 8;
        for (size_t i = 0; i < 4 && !p->out->failed; i++)
                p->out->data[start + 4 + i] = (unsigned char)(kept >> (8 * i));
        return data ? PICTURE_WHOLE : PICTURE_BROKEN;
}

/* ---- GIF: blocks, of which some have sub-blocks behind them ---- */

enum { GIF_TEXT = 0x01, GIF_CONTROL = 0xF9 };

static const size_t GIF_NONE = SIZE_MAX;

static bool gif_colours(struct picture_reader *p, unsigned char flags)
{
        return !(flags & 0x80) || picture_take(p, (size_t)3 << ((flags & 7) + 1));
}

static bool gif_sub_blocks(struct picture_reader *p)
{
        const unsigned char *size;
        while ((size = picture_take(p, 1)) && *size > 0)
                if (!picture_take(p, *size))
                        return false;
        return size != NULL;
}

/* Those that say for how long each picture is shown, and how often all of them are. */
static bool gif_stays(const unsigned char *label, size_t size)
{
        return *label == GIF_CONTROL || (*label == 0xFF && (picture_is(label + 1, size - 1, "\x0BNETSCAPE2.0", 12) ||
                                                            picture_is(label + 1, size - 1,
                                                                       "\x0B"
                                                                       "ANIMEXTS1.0",
                                                                       12)));
}

/* A graphic control, kept, waits for the picture or the text that it is about; `control` is what there was before it, or GIF_NONE. With a text
 * it goes again: the next picture would be shown as it says. */
static bool gif_extension(struct picture_reader *p, size_t from, size_t *control)
{
        const unsigned char *label = picture_take(p, 1);
        if (!label)
                return false;
        const bool stays = gif_stays(label, picture_left(p) + 1);
        if (!gif_sub_blocks(p))
                return false;
        if (*label == GIF_CONTROL && *control == GIF_NONE)
                *control = p->out->size;
        if (stays)
                picture_keep(p, from);
        if (*label == GIF_TEXT && *control != GIF_NONE) {
                p->out->size = *control;
                *control = GIF_NONE;
        }
        return true;
}

static bool gif_image(struct picture_reader *p, size_t from)
{
        const unsigned char *head = picture_take(p, 9);
        if (!head || !gif_colours(p, head[8]) || !picture_take(p, 1) || !gif_sub_blocks(p))
                return false;
        picture_keep(p, from);
        return true;
}

static enum picture_end gif_strip(struct picture_reader *p)
{
        bool shown = false;
        size_t control = GIF_NONE;
        const unsigned char *head = picture_take(p, 13);
        if (!head || !gif_colours(p, head[10]))
                return PICTURE_SHORT;
        picture_keep(p, 0);
        for (;;) {
                const size_t from = p->at;
                const unsigned char *block = picture_take(p, 1);
                if (!block)
                        return PICTURE_SHORT;
                if (*block == 0x3B) {
                        picture_keep(p, from);
                        return shown ? PICTURE_WHOLE : PICTURE_BROKEN;
                }
                if (*block != 0x2C && *block != 0x21)
                        return PICTURE_BROKEN;
                if (!(*block == 0x2C ? gif_image(p, from) : gif_extension(p, from, &control)))
                        return PICTURE_SHORT;
                if (*block == 0x2C) {
                        shown = true;
                        control = GIF_NONE;
                }
        }
}

/* ---- any of them ---- */

static int picture_refuse(const struct file_kind *kind, struct problem *why)
{
        return problem_set(why, "request", "bad_type", "this is %s; pictures must be JPEG, PNG, WebP or GIF: %s",
                           kind->name ? kind->name : "no picture that is known",
                           kind->media && strstr(kind->media, "/hei")   ? "send it as JPEG (iPhones: Settings, Camera, "
                                                                          "Formats, Most Compatible)"
                           : kind->media && strstr(kind->media, "/pdf") ? "send the page as a JPEG or PNG picture"
                                                                        : "send it as one of these");
}

int picture_strip(struct bytes in, struct buffer *out, struct problem *why)
{
        static const struct {
                const char *media;
                enum picture_end (*strip)(struct picture_reader *p);
        } kinds[] = { { "image/jpeg", jpeg_strip },
                      { "image/png", png_strip },
                      { "image/webp", webp_strip },
                      { "image/gif", gif_strip } };
        struct picture_reader p = { .in = in, .out = out };
        const struct file_kind kind = file_kind_of(in);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                if (!kind.is_picture || strcmp(kinds[i].media, kind.media) != 0)
                        continue;
                const enum picture_end end = kinds[i].strip(&p);
                if (out->failed)
                        return -ENOMEM;
                return end == PICTURE_WHOLE
                               ? 0
                               : problem_set(why, "request", "bad_picture", "%s that is %s: byte %zu of %zu", kind.name,
                                             end == PICTURE_SHORT ? "cut short" : "broken", p.at, in.size);
        }
        return picture_refuse(&kind, why);
}
