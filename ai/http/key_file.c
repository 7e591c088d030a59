/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/http/key_file.h"

#include <stdio.h>
#include <string.h>

bool key_file_read(const char *path, char out[KEY_FILE_LONGEST])
{
        FILE *file = path ? fopen(path, "re") : NULL;
        if (!file)
                return false;
        const bool got = fgets(out, KEY_FILE_LONGEST, file) != NULL;
        fclose(file);
        if (!got)
                return false;
        out[strcspn(out, "\r\n")] = '\0';
        return *out != '\0';
}
