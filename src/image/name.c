/* SPDX-License-Identifier: Apache-2.0 */
/* The names under which the store knows an image. */
#include "image/internal.h"
#include "registry/reference.h"

const char *image_normalize(Arena *arena, const char *name)
{
    ImageReference reference;

    return reference_parse(arena, name, &reference, NULL) == 0 ? reference_print(arena, &reference)
                                                               : NULL;
}

const char *image_name_sibling(Arena *arena, const char *normalized)
{
    if (str_starts_with(normalized, "localhost/"))
        return arena_printf(arena, "docker.io/%s%s",
                            strchr(normalized + strlen("localhost/"), '/') ? "" : "library/",
                            normalized + strlen("localhost/"));
    if (str_starts_with(normalized, "docker.io/library/"))
        return arena_printf(arena, "localhost/%s", normalized + strlen("docker.io/library/"));
    if (str_starts_with(normalized, "docker.io/"))
        return arena_printf(arena, "localhost/%s", normalized + strlen("docker.io/"));
    return NULL;
}
