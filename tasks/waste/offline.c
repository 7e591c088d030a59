/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/offline.h"

#include "core/bytes.h"
#include "core/json.h"
#include "core/text/hex.h"
#include "tasks/task.h"
#include "tasks/waste/words.h"

#include <errno.h>
#include <strings.h>

/* The last part of an http(s) URL's path, percent-decoded; nothing for a data: URL. */
static void add_file_name(const char *url, struct buffer *out)
{
        if (strncasecmp(url, "http", 4) != 0)
                return;
        size_t end = strcspn(url, "?#"), start = end;
        while (start > 0 && url[start - 1] != '/')
                start--;
        for (size_t i = start; i < end; i++) {
                const int escaped = hex_escape(url + i, end - i), byte = escaped >= 0 ? escaped : (unsigned char)url[i];
                buffer_add_byte(out, byte ? (unsigned char)byte : ' ');
                i += escaped >= 0 ? 2 : 0;
        }
}

int offline_classify(const struct task_input *in, json_t **answer)
{
        const struct taxonomy *t = taxonomy_of(in);
        const json_t *document = in->document;
        struct buffer seen = { 0 };
        struct word_match match = { .category = middle_find(t, "unclassified") };
        const char *text = document_text(document, "text"), *url = document_text(document, "image_url");
        buffer_add_string(&seen, text ? text : "");
        buffer_add_byte(&seen, '\n');
        add_file_name(url ? url : "", &seen);
        buffer_add_byte(&seen, '\0');
        if (seen.failed)
                return -ENOMEM;
        words_category(t, (const char *)seen.data, &match);
        *answer =
                json_pack("{s:s, s:s, s:s?, s:o}", "major", match.category->major->slug, "middle", match.category->slug,
                          "item", match.item, "situation", words_situation(t, (const char *)seen.data));
        buffer_free(&seen);
        return *answer ? 0 : -ENOMEM;
}
