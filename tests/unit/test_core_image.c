/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures without what they tell besides themselves; and what is no picture, or only half of one. */
#include "core/image/orientation.h"
#include "core/image/picture.h"
#include "core/text/blob_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) (text), sizeof(text) - 1

/* JPEG */
#define SOI     "\xFF\xD8"
#define JFIF    "\xFF\xE0\0\x07JFIF\0"
#define COLOURS "\xFF\xE2\0\x10ICC_PROFILE\0\1\1"
#define ADOBE            \
        "\xFF\xEE\0\x09" \
        "Adobe\0\0"
#define TABLES "\xFF\xDB\0\x03q"
#define FRAME            \
        "\xFF\xC2\0\x03" \
        "f"
#define SCAN              \
        "\xFF\xDA\0\x03s" \
        "data\xFF\0more\xFF\xD0rest"
#define EOI "\xFF\xD9"
#define XMP "\xFF\xE1\0\x0Dhttp://ns.a"
#define COMMENT          \
        "\xFF\xFE\0\x07" \
        "Seoul"
#define IPTC             \
        "\xFF\xED\0\x06" \
        "8BIM"
/* with a GPS directory behind the orientation, in either order of bytes */
#define EXIF_HEAD(turn)                      \
        "\xFF\xE1\0\x38"                     \
        "Exif\0\0"                           \
        "MM\0*\0\0\0\x08\0\2"                \
        "\x01\x12\0\3\0\0\0\1\0" turn "\0\0" \
        "\x88\x25\0\4\0\0\0\1\0\0\0\x26"     \
        "\0\0\0\0gpsgpsgps1"
#define EXIF_LITTLE                      \
        "\xFF\xE1\0\x22"                 \
        "Exif\0\0"                       \
        "II*\0\x08\0\0\0\1\0"            \
        "\x12\x01\3\0\1\0\0\0\x08\0\0\0" \
        "\0\0\0\0"
#define TURNED(turn)                         \
        "\xFF\xE1\0\x22"                     \
        "Exif\0\0"                           \
        "MM\0*\0\0\0\x08\0\1"                \
        "\x01\x12\0\3\0\0\0\1\0" turn "\0\0" \
        "\0\0\0\0"
/* PNG */
#define PNG  "\x89PNG\r\n\x1a\n"
#define IHDR "\0\0\0\2IHDRab1234"
#define IDAT "\0\0\0\1IDATx1234"
#define IEND "\0\0\0\0IEND1234"
#define GAMA "\0\0\0\1gAMAg1234"
#define TEXT "\0\0\0\5tEXtSeoul1234"
#define EXIF "\0\0\0\3eXIfgps1234"
/* WebP */
#define RIFF(size) "RIFF" size "\0\0\0WEBP"
#define VP8        "VP8 \3\0\0\0abc\0"
#define VP8X(flag) "VP8X\2\0\0\0" flag "z"
#define WEXIF      "EXIF\3\0\0\0gps\0"
#define WXMP       "XMP \2\0\0\0ab"
/* GIF */
#define GIF                \
        "GIF89a"           \
        "\1\0\1\0\x80\0\0" \
        "abcdef"
#define GIF_BARE \
        "GIF89a" \
        "\1\0\1\0\0\0\0"
#define TIMES       "\x21\xF9\4abcd\0"
#define LOOPS       "\x21\xFF\x0BNETSCAPE2.0\3abc\0"
#define GIF_XMP     "\x21\xFF\x0BXMP DataXMP\3gps\0"
#define REMARK      "\x21\xFE\5Seoul\0"
#define TEXT_OF_GIF "\x21\1\2ab\0"
#define IMAGE       "\x2C\0\0\0\0\1\0\1\0\0\2\3xyz\1w\0"

static const struct {
        const char *what, *in;
        size_t in_size;
        const char *out; /* or its code */
        size_t out_size;
} picture_rows[] = {
        { "a plain JPEG", BYTES(SOI JFIF TABLES FRAME SCAN EOI), BYTES(SOI JFIF TABLES FRAME SCAN EOI) },
        { "all that is told", BYTES(SOI JFIF EXIF_HEAD("\1") XMP IPTC COMMENT COLOURS ADOBE FRAME SCAN EOI),
          BYTES(SOI JFIF COLOURS ADOBE FRAME SCAN EOI) },
        { "a thumbnail of JFIF", BYTES(SOI "\xFF\xE0\0\x13JFIF\0\1\1\0\0\1\0\1\1\1rgb" SCAN EOI),
          BYTES(SOI "\xFF\xE0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" SCAN EOI) },
        { "how it was held stays", BYTES(SOI EXIF_HEAD("\6") TABLES SCAN EOI),
          BYTES(SOI TURNED("\6") TABLES SCAN EOI) },
        { "… of little ends", BYTES(SOI EXIF_LITTLE TABLES SCAN EOI), BYTES(SOI TURNED("\x08") TABLES SCAN EOI) },
        { "… once", BYTES(SOI EXIF_HEAD("\6") EXIF_HEAD("\3") SCAN EOI), BYTES(SOI TURNED("\6") SCAN EOI) },
        { "… if it is one", BYTES(SOI EXIF_HEAD("\x09") SCAN EOI), BYTES(SOI SCAN EOI) },
        { "between scans, too", BYTES(SOI FRAME SCAN COMMENT SCAN XMP EOI), BYTES(SOI FRAME SCAN SCAN EOI) },
        { "what stands behind it", BYTES(SOI FRAME SCAN EOI SOI EXIF_HEAD("\1") SCAN EOI), BYTES(SOI FRAME SCAN EOI) },
        { "fill bytes", BYTES(SOI "\xFF\xFF" JFIF SCAN "\xFF" EOI), BYTES(SOI JFIF SCAN "\xFF" EOI) },
        { "a restart behind what goes", BYTES(SOI SCAN COMMENT "\xFF\xD0" SCAN EOI), BYTES(SOI SCAN SCAN EOI) },
        { "… and behind what stays", BYTES(SOI SCAN TABLES "\xFF\xD7" SCAN EOI), BYTES(SOI SCAN TABLES SCAN EOI) },
        { "a restart has no segment", BYTES(SOI SCAN COMMENT "\xFF\xD0\0\3x" EOI), BYTES("broken") },
        { "nor has a temporary one", BYTES(SOI "\xFF\1" SCAN "\xFF\1" EOI), BYTES(SOI SCAN EOI) },
        { "pictures for other eyes", BYTES(SOI "\xFF\xE2\0\x06MPF\0" SCAN EOI), BYTES(SOI SCAN EOI) },
        { "no end", BYTES(SOI JFIF SCAN), BYTES("cut short") },
        { "half a segment",
          BYTES(SOI "\xFF\xE1\0\x22"
                    "Exif"),
          BYTES("cut short") },
        { "no segment", BYTES(SOI "\xFF\xE1\0"), BYTES("cut short") },
        { "a length that can't be", BYTES(SOI "\xFF\xE1\0\1" EOI), BYTES("broken") },
        { "no picture in it", BYTES(SOI JFIF EOI), BYTES("broken") },
        { "no marker", BYTES(SOI "\xFF\xE0\0\2abc"), BYTES("broken") },
        { "one in another", BYTES(SOI SOI SCAN EOI), BYTES("broken") },
        { "a plain PNG", BYTES(PNG IHDR IDAT IEND), BYTES(PNG IHDR IDAT IEND) },
        { "what a PNG tells", BYTES(PNG IHDR GAMA TEXT EXIF IDAT IDAT TEXT IEND TEXT),
          BYTES(PNG IHDR GAMA IDAT IDAT IEND) },
        { "a PNG's half", BYTES(PNG IHDR IDAT), BYTES("cut short") },
        { "half a chunk", BYTES(PNG IHDR "\0\0\1\0IDATx"), BYTES("cut short") },
        { "a chunk that can't be", BYTES(PNG IHDR "\xFF\0\1\0IDATx" IEND), BYTES("broken") },
        { "a PNG without picture", BYTES(PNG IHDR IEND), BYTES("broken") },
        { "a PNG without head", BYTES(PNG IDAT IEND), BYTES("broken") },
        { "another PNG", BYTES("\x89PNG\r\r\x1a\n" IHDR IDAT IEND), BYTES("broken") },
        { "the name of a PNG", BYTES("\x89PNG"), BYTES("cut short") },
        { "a plain WebP", BYTES(RIFF("\x10") VP8), BYTES(RIFF("\x10") VP8) },
        { "what a WebP tells", BYTES(RIFF("\x30") VP8X("\x1C") VP8 WEXIF WXMP "junk"),
          BYTES(RIFF("\x1A") VP8X("\x10") VP8) },
        { "a WebP's half", BYTES(RIFF("\x40") VP8), BYTES("cut short") },
        { "a chunk of a WebP that leaves it", BYTES(RIFF("\x10") "VP8 \x08\0\0\0abc\0"), BYTES("broken") },
        { "a WebP without picture", BYTES(RIFF("\x10") WEXIF), BYTES("broken") },
        { "a WebP smaller than itself", BYTES(RIFF("\3") VP8), BYTES("broken") },
        { "a plain GIF", BYTES(GIF IMAGE "\x3B"), BYTES(GIF IMAGE "\x3B") },
        { "what a GIF tells",
          BYTES(GIF LOOPS GIF_XMP TIMES IMAGE REMARK "\x21\1\2ab\0" TIMES IMAGE "\x3B"
                                                     "more"),
          BYTES(GIF LOOPS TIMES IMAGE TIMES IMAGE "\x3B") },
        { "times of a text go with it", BYTES(GIF TIMES TEXT_OF_GIF IMAGE "\x3B"), BYTES(GIF IMAGE "\x3B") },
        { "… past remarks, too", BYTES(GIF TIMES REMARK TEXT_OF_GIF IMAGE "\x3B"), BYTES(GIF IMAGE "\x3B") },
        { "… and of a text alone", BYTES(GIF TIMES TEXT_OF_GIF TIMES IMAGE TEXT_OF_GIF IMAGE "\x3B"),
          BYTES(GIF TIMES IMAGE IMAGE "\x3B") },
        { "a GIF's half", BYTES(GIF IMAGE), BYTES("cut short") },
        { "half a block", BYTES(GIF "\x2C\0\0\0\0\1\0\1\0\0\2\x20xyz"), BYTES("cut short") },
        { "half a table", BYTES(GIF "\x2C\0\0\0\0\1\0\1\0\x87\2"), BYTES("cut short") },
        { "half a head",
          BYTES("GIF89a"
                "\1\0\1\0\x87\0\0ab"),
          BYTES("cut short") },
        { "no block", BYTES(GIF_BARE "\x55"), BYTES("broken") },
        { "a GIF without picture", BYTES(GIF_BARE "\x3B"), BYTES("broken") },
        { "a HEIC",
          BYTES("\0\0\0\x18"
                "ftypheic\0\0\0\0"),
          BYTES("this is a HEIC picture") },
        { "a PDF", BYTES("%PDF-1.7\n"), BYTES("this is a PDF document") },
        { "nothing that is known", BYTES("hello"), BYTES("this is no picture that is known") },
        { "nothing", BYTES(""), BYTES("this is no picture that is known") },
};

enum { PICTURE_ROWS = sizeof(picture_rows) / sizeof(picture_rows[0]) };

static void pictures_lose_what_they_tell(void **state)
{
        (void)state;
        for (size_t i = 0; i < PICTURE_ROWS; i++) {
                struct buffer out = { 0 };
                struct problem why = { 0 };
                unsigned char *in = malloc(picture_rows[i].in_size ? picture_rows[i].in_size : 1);
                assert_non_null(in);
                memcpy(in, picture_rows[i].in, picture_rows[i].in_size); /* nothing behind it may be read */
                const int code = picture_strip(bytes_of(in, picture_rows[i].in_size), &out, &why);
                const bool same =
                        out.size == picture_rows[i].out_size && memcmp(out.data, picture_rows[i].out, out.size) == 0;
                if (code ? !strstr(why.text, picture_rows[i].out) : !same)
                        fail_msg("%s: %d, %zu bytes, %s", picture_rows[i].what, code, out.size, why.text);
                if (code)
                        assert_string_equal(why.code,
                                            strncmp(why.text, "this is", 7) == 0 ? "bad_type" : "bad_picture");
                free(in);
                buffer_free(&out);
        }
}

/* What was stripped has nothing left to lose. */
static void a_second_time_changes_nothing(void **state)
{
        (void)state;
        for (size_t i = 0; i < PICTURE_ROWS; i++) {
                struct buffer once = { 0 }, twice = { 0 };
                struct problem why;
                if (picture_strip(bytes_of(picture_rows[i].in, picture_rows[i].in_size), &once, &why) == 0) {
                        assert_int_equal(picture_strip(buffer_view(&once), &twice, &why), 0);
                        assert_int_equal(once.size, twice.size);
                        assert_memory_equal(once.data, twice.data, once.size);
                }
                buffer_free(&once);
                buffer_free(&twice);
        }
}

static void orientation_reads_what_it_wrote(void **state)
{
        (void)state;
        for (unsigned turn = 1; turn <= 8; turn++) {
                unsigned char segment[ORIENTATION_SEGMENT];
                orientation_write(turn, segment);
                assert_int_equal(orientation_read(bytes_of(segment + 4, sizeof(segment) - 4)), turn);
                for (size_t size = 0; size < sizeof(segment) - 8; size++)
                        assert_int_equal(orientation_read(bytes_of(segment + 4, size < 28 ? size : 27)), 0);
        }
}

static void blobs_are_named_by_their_content(void **state)
{
        static const struct {
                const char *text;
                bool is, whole;
        } rows[] = {
                { "blob:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", true, true },
                { "blob:sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", true, false },
                { "blob:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", true, false },
                { "blob:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", true, false },
                { "blob:https://a/b", true, false },
                { "https://a/b", false, false },
                { "", false, false },
        };
        char url[BLOB_URL_SIZE];
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                assert_int_equal(blob_url_is(rows[i].text), rows[i].is);
                assert_int_equal(blob_url_digest(rows[i].text) != NULL, rows[i].whole);
        }
        if (blob_url_of(bytes_of_string("abc"), url))   /* as memory allows */
                assert_string_equal(url, rows[0].text); /* FIPS 180-2, B.1 */
        else
                assert_string_equal(url, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pictures_lose_what_they_tell),
                cmocka_unit_test(a_second_time_changes_nothing),
                cmocka_unit_test(orientation_reads_what_it_wrote),
                cmocka_unit_test(blobs_are_named_by_their_content),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
