/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes which basic blocks a program runs, for tools/mutate. Every program and shared library of its build tree is
 * compiled with -fsanitize-coverage=trace-pc and linked with a copy of this file, whose symbols are hidden, so that each
 * knows only its own blocks.
 *
 * With STEAD_REACH=FOLDER in the environment, FOLDER/NAME is a map with one byte for four bytes of the code of NAME; the
 * byte of a return address behind a call of __sanitizer_cov_trace_pc is 1 if that block was run. Several processes share
 * the map, and it survives however they end. Without STEAD_REACH nothing happens.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define MAP_SIZE (16 << 20) /* 64 MiB of code */

extern const char __ehdr_start[] HIDDEN;
HIDDEN void __sanitizer_cov_trace_pc(void);

static unsigned char *map;

__attribute__((constructor(101))) static void open_map(void)
{
    const char *folder = getenv("STEAD_REACH"), *name;
    char path[4096];
    Dl_info self;
    void *found;
    int fd;

    if (!folder || !dladdr(__ehdr_start, &self) || !self.dli_fname)
        return;
    name = strrchr(self.dli_fname, '/');
    snprintf(path, sizeof(path), "%s/%s", folder, name ? name + 1 : self.dli_fname);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    if (ftruncate(fd, MAP_SIZE) == 0) {
        found = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (found != MAP_FAILED)
            map = found;
    }
    close(fd);
}

void __sanitizer_cov_trace_pc(void)
{
    uintptr_t at;

    if (!map)
        return;
    at = ((uintptr_t)__builtin_return_address(0) - (uintptr_t)__ehdr_start) >> 2;
    if (at < MAP_SIZE)
        map[at] = 1;
}
