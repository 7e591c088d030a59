/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/file_kind.h"

#include <string.h>
#include <strings.h>

static const struct {
        const char *start;
        size_t size, at;
        struct file_kind kind;
} starts[] = {
        { "\x89PNG", 4, 0, { "a PNG picture", "image/png", true } },
        { "\xFF\xD8\xFF", 3, 0, { "a JPEG picture", "image/jpeg", true } },
        { "GIF8", 4, 0, { "a GIF picture", "image/gif", true } },
        { "WEBP", 4, 8, { "a WebP picture", "image/webp", true } },
        { "%PDF", 4, 0, { "a PDF document", "application/pdf", false } },
        { "II*\0", 4, 0, { "a TIFF picture", "image/tiff", false } },
        { "MM\0*", 4, 0, { "a TIFF picture", "image/tiff", false } },
        { "BM", 2, 0, { "a BMP picture", "image/bmp", false } },
        { "ftypheic", 8, 4, { "a HEIC picture", "image/heic", false } },
        { "ftypheix", 8, 4, { "a HEIC picture", "image/heic", false } },
        { "ftypheim", 8, 4, { "a HEIC picture", "image/heic", false } },
        { "ftypheis", 8, 4, { "a HEIC picture", "image/heic", false } },
        { "ftyphevc", 8, 4, { "a HEIC picture", "image/heic", false } },
        { "ftypmif1", 8, 4, { "a HEIF picture", "image/heif", false } },
        { "ftypmsf1", 8, 4, { "a HEIF picture", "image/heif", false } },
        { "ftypavi", 7, 4, { "an AVIF picture", "image/avif", false } },
        { "ftypqt  ", 8, 4, { "a QuickTime film", "video/quicktime", false } },
        { "ftyp", 4, 4, { "an MP4 film", "video/mp4", false } },
        { "\x1A\x45\xDF\xA3", 4, 0, { "a Matroska or WebM film", "video/webm", false } },
        { "\0\0\1\0", 4, 0, { "an icon", "image/x-icon", false } },
        { "8BPS", 4, 0, { "a Photoshop picture", "image/vnd.adobe.photoshop", false } },
        { "\xFF\x0A", 2, 0, { "a JPEG XL picture", "image/jxl", false } },
        { "\0\0\0\x0CJXL ", 8, 0, { "a JPEG XL picture", "image/jxl", false } },
        { "PK\3\4", 4, 0, { "a ZIP archive", "application/zip", false } },
};

static const struct {
        const char *start;
        struct file_kind kind;
} texts[] = {
        { "<svg", { "an SVG drawing", "image/svg+xml", false } },
        { "<?xml", { "an XML or SVG document", "application/xml", false } },
        { "<!doctype html", { "an HTML page", "text/html", false } },
        { "<html", { "an HTML page", "text/html", false } },
};

struct file_kind file_kind_of(struct bytes b)
{
        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
                if (b.size >= starts[i].at + starts[i].size &&
                    memcmp(b.data + starts[i].at, starts[i].start, starts[i].size) == 0)
                        return starts[i].kind;
        size_t at = b.size >= 3 && memcmp(b.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        while (at < b.size && strchr(" \t\r\n", b.data[at]) && b.data[at])
                at++;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                const size_t size = strlen(texts[i].start);
                if (b.size - at >= size && strncasecmp((const char *)b.data + at, texts[i].start, size) == 0)
                        return texts[i].kind;
        }
        return (struct file_kind){ 0 };
}
