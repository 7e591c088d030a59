/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/orientation.h"

#include <stdbool.h>

enum { ORIENTATION_TAG = 0x0112, ORIENTATION_SHORT = 3, ORIENTATION_ENTRY = 12 };

/* A TIFF file within the segment, in the order of bytes that it names. */
struct tiff {
        struct bytes in;
        bool little;
};

/* A number of two or four bytes, which must be there. */
static size_t tiff_number(const struct tiff *t, size_t at, size_t size)
{
        size_t number = 0;
        for (size_t i = 0; i < size; i++)
                number |= (size_t)t->in.data[at + i] << 8 * (t->little ? i : size - 1 - i);
        return number;
}

unsigned orientation_read(struct bytes app1)
{
        struct tiff t = { 0 };
        if (app1.size < 14 || memcmp(app1.data, "Exif\0", 6) != 0)
                return 0;
        t.in = bytes_of(app1.data + 6, app1.size - 6);
        t.little = t.in.data[0] == 'I';
        const size_t at = tiff_number(&t, 4, 4);
        if (at > t.in.size || t.in.size - at < 2)
                return 0;
        const size_t count = tiff_number(&t, at, 2), fits = (t.in.size - at - 2) / ORIENTATION_ENTRY;
        for (size_t i = 0; i < count && i < fits; i++) {
                const size_t entry = at + 2 + i * ORIENTATION_ENTRY;
                if (tiff_number(&t, entry, 2) != ORIENTATION_TAG || tiff_number(&t, entry + 2, 2) != ORIENTATION_SHORT)
                        continue;
                const size_t turn = tiff_number(&t, entry + 8, 2);
                return turn <= 8 ? (unsigned)turn : 0;
        }
        return 0;
}

void orientation_write(unsigned turn, unsigned char out[ORIENTATION_SEGMENT])
{
        static const unsigned char segment[ORIENTATION_SEGMENT] = {
                0xFF, 0xE1, 0,   34,   'E', 'x', 'i', 'f', 0,
                0,    'M',  'M', 0,    '*', 0,   0,   0,   8, /* the directory's place */
                0,    1,    1,   0x12, 0,   3,   0,   0,   0,
                1,    0,    0,   0,    0,   0,   0,   0,   0, /* one entry, no next one */
        };
        memcpy(out, segment, sizeof(segment));
        out[29] = (unsigned char)turn;
}
