/* SPDX-License-Identifier: Apache-2.0 */
/* The program of the containers in these tests. It is copied, since /tmp may be another file system
 * than /usr, so that a link is not possible. */
#ifndef TEST_NODE_BUSYBOX_H
#define TEST_NODE_BUSYBOX_H

#include "base/files/file.h"

#define BUSYBOX "/usr/bin/busybox"

static inline int busybox_copy_to(const char *path)
{
    _free_ char *program = NULL;
    size_t n;
    int r = file_read(BUSYBOX, 16 << 20, &program, &n);

    return r ? r : file_write_atomic(path, program, n, 0755);
}

#endif
