/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over every file of a corpus, without a fuzzing engine, so that any compiler
 * and every CI run can; and over each file cut short and with single bytes changed, which costs
 * little and finds a lot.
 */
#include <dirent.h>

#include "base/files/file.h"

#define FILE_LIMIT (16 * 1024 * 1024)
#define CHANGES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From a copy of exactly this size, so that reading past the end is seen. */
static void run(const char *text, size_t n)
{
    uint8_t *copy = mem_resize(NULL, n ? n : 1);

    memcpy(copy, text, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void run_file(const char *path)
{
    _free_ char *text = NULL;
    size_t n;

    if (file_read(path, FILE_LIMIT, &text, &n) < 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    run(text, n);
    if (n > 64 * 1024)
        return;
    for (size_t i = 0; i < CHANGES && n; i++) {
        size_t at = i * n / CHANGES;
        char before = text[at];

        run(text, at);
        text[at] = (char)(before ^ (1 << (i % 8)));
        run(text, n);
        text[at] = before;
    }
}

int main(int argc, char **argv)
{
    size_t files = 0;

    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            _free_ char *path = mem_printf("%s/%s", argv[i], entry->d_name);

            if (entry->d_name[0] == '.')
                continue;
            run_file(path);
            files++;
        }
        if (folder)
            closedir(folder);
    }
    printf("%zu files\n", files);
    return files ? 0 : 1;
}
