/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image archives from strangers: import, list, remove. Bounded by limits; whatever comes of it lies
 * in one folder that is removed at the end. Digests are checked after unpacking, so changed layers
 * are unpacked, too.
 */
#include <sys/stat.h>

#include "base/files/file.h"
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void remove_folder(void)
{
    file_remove_tree(folder);
}

static void make_folder(void)
{
    if (folder[0])
        return;
    snprintf(folder, sizeof(folder), "%s/stead-fuzz-image-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ASSERT(mkdtemp(folder));
    atexit(remove_folder);
}

static void check_image(void *data _unused_, const Image *image)
{
    for (size_t i = 0; i < image->layers.n; i++)
        ASSERT(file_exists(image->layers.v[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *file = NULL, *dir = NULL;
    StringArray names = {0};
    ImageStore *store = NULL;
    Err err = ERR_INIT;

    make_folder();
    file = mem_printf("%s/app.tar", folder);
    dir = mem_printf("%s/images", folder);
    ASSERT(file_replace(file, data, size, 0600) == 0);
    ASSERT(image_store_open(NULL, dir, NULL, &store, &err) == 0);
    image_store_set_limits(store, 4 << 20, 200);
    if (image_import(store, file, 0, &names, &arena, &err) < 0)
        ASSERT(err.message[0]);
    image_list(store, &arena, check_image, NULL);
    for (size_t i = 0; i < names.n; i++)
        image_remove(store, names.v[i], &err);
    image_store_close(store);
    file_remove_tree(dir);
    return 0;
}
