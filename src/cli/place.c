/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/files/file.h"
#include "base/files/user_namespace.h"
#include "cli/place.h"

#define MACHINE_DATA "/var/lib/stead"
#define MACHINE_RUN "/run/stead"

/* The variable alone does not count: somebody may have it set for root. */
bool place_is_inside(void)
{
    return getenv(PLACE_INSIDE) && in_user_namespace();
}

static bool is_foreign(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0 && st.st_uid != geteuid();
}

static const char *user_data(Arena *arena)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (!str_empty(data) && data[0] == '/')
        return arena_printf(arena, "%s/stead", data);
    return arena_printf(arena, "%s/.local/share/stead", str_or(home, ""));
}

/* Without a run folder of the session, one below the data: it is not emptied at a reboot, which does no harm. */
static const char *user_run(Arena *arena, const char *data)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    const char *usual = arena_printf(arena, "/run/user/%u", (unsigned)geteuid());

    if (!str_empty(run) && run[0] == '/')
        return arena_printf(arena, "%s/stead", run);
    if (file_exists(usual) && !is_foreign(usual))
        return arena_printf(arena, "%s/stead", usual);
    return arena_printf(arena, "%s/run", data);
}

Place place_choose(Arena *arena, const char *data, const char *run, bool makes)
{
    bool inside = place_is_inside();
    Place place = {.data = data, .run = run};

    if (inside || (geteuid() != 0 && (data || run)))
        place.rootless = inside || (!is_foreign(data) && !is_foreign(run));
    else if (geteuid() != 0)
        place.rootless = file_exists(user_data(arena)) || makes || !file_exists(MACHINE_DATA);
    if (!place.data)
        place.data = place.rootless ? user_data(arena) : MACHINE_DATA;
    if (!place.run)
        place.run = place.rootless ? user_run(arena, place.data) : MACHINE_RUN;
    return place;
}
