/* SPDX-License-Identifier: Apache-2.0 */
/* The file that holds the API key, read again when the endpoint takes the key no more: somebody may have put another one there. */
#ifndef CHARD_AI_HTTP_KEY_FILE_H
#define CHARD_AI_HTTP_KEY_FILE_H

#include <stdbool.h>

enum { KEY_FILE_LONGEST = 4096 };

/* Its first line. False where there is none, or it can't be read. Blocks for as long as reading a small file takes. */
bool key_file_read(const char *path, char out[KEY_FILE_LONGEST]);

#endif
