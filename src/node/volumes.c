/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/statvfs.h>

#include "base/vec.h"
#include "node/volume/disk.h"
#include "node/volumes.h"

typedef VEC(char *) NameVec;

static void add_name(void *data, const char *name)
{
    NameVec *names = data;

    VEC_PUSH(names, mem_strdup(name));
}

void node_volumes_each(const char *data_dir, void (*each)(void *data, const NodeVolume *volume),
                       void *data)
{
    NameVec names = VEC_INIT;

    volume_disk_each(data_dir, add_name, &names);
    str_sort((const char **)names.v, names.n);
    for (size_t i = 0; i < names.n; i++) {
        NodeVolume volume = {.name = names.v[i]};

        volume_disk_read(data_dir, names.v[i], &volume.size, &volume.used, &volume.thin);
        each(data, &volume);
        free(names.v[i]);
    }
    VEC_DEINIT(&names);
}

int node_volumes_disk(const char *data_dir, int64_t *ret_size, int64_t *ret_free)
{
    struct statvfs fs;

    if (statvfs(data_dir, &fs) < 0)
        return -errno;
    *ret_size = (int64_t)(fs.f_blocks * fs.f_frsize);
    *ret_free = (int64_t)(fs.f_bavail * fs.f_frsize);
    return 0;
}
