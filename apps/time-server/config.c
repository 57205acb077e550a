/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "config.h"

typedef struct Setting {
    const char *flag, *environment, *otherwise;
    size_t offset;
    int (*check)(const char *value, Err *reterr);
    const char *doc;
} Setting;

static int check_listen(const char *value, Err *reterr)
{
    const char *colon = strrchr(value, ':');
    int64_t port;

    if (!colon || str_to_int64(colon + 1, 0, 65535, &port))
        return err_set(reterr, 0, "give an address and a port, such as 0.0.0.0:5000 or :5000");
    return 0;
}

static int check_file(const char *value, Err *reterr)
{
    size_t n = strlen(value);

    if (!n || value[n - 1] == '/')
        return err_set(reterr, 0, "give the path of a file");
    return 0;
}

/* glibc takes any nonsense for UTC, so look for the file of the zone. */
static int check_zone(const char *value, Err *reterr)
{
    char path[256];
    struct stat st;

    if (str_equal(value, "UTC"))
        return 0;
    if (strstr(value, "..") || value[0] == '/')
        return err_set(reterr, 0, "give the name of a zone, such as Europe/Moscow");
    snprintf(path, sizeof(path), "%s/%s", str_or(getenv("TZDIR"), "/usr/share/zoneinfo"), value);
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(reterr, 0, "there is no such time zone in %s", path);
    return 0;
}

/* clang-format off */
static const Setting settings[] = {
    {"--listen", "TIME_SERVER_LISTEN", ":5000",  offsetof(Config, listen), check_listen, "ADDR:PORT to answer on"},
    {"--file",   "TIME_SERVER_FILE",   "visits", offsetof(Config, file),   check_file,   "FILE that keeps the visits"},
    {"--zone",   "TIME_SERVER_ZONE",   "UTC",    offsetof(Config, zone),   check_zone,   "ZONE of the time shown"},
};
/* clang-format on */

void config_print_help(void)
{
    printf("time-server shows the time and counts its visits.\n\nUsage: time-server [OPTIONS]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        printf("  %-10s %-32s $%s, %s\n", settings[i].flag, settings[i].doc,
               settings[i].environment, settings[i].otherwise);
}

static const char **slot(Config *config, const Setting *setting)
{
    return (const char **)((char *)config + setting->offset);
}

static int read_flags(int argc, char **argv, Config *config, Err *reterr)
{
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t n = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const Setting *setting = NULL;

        config->help |= str_equal(argv[i], "--help");
        config->version |= str_equal(argv[i], "--version");
        if (config->help || config->version)
            return 0;
        for (size_t k = 0; k < ARRAY_LEN(settings); k++)
            if (strlen(settings[k].flag) == n && strncmp(settings[k].flag, argv[i], n) == 0)
                setting = &settings[k];
        if (!setting)
            return err_set(reterr, 0, "there is no option %s; see --help", argv[i]);
        if (!equals && i + 1 == argc)
            return err_set(reterr, 0, "%s needs a value", setting->flag);
        *slot(config, setting) = equals ? equals + 1 : argv[++i];
    }
    return 0;
}

int config_read(int argc, char **argv, Config *ret, Err *reterr)
{
    int r;

    *ret = (Config){0};
    r = read_flags(argc, argv, ret, reterr);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const char **value = slot(ret, &settings[i]), *name = settings[i].flag;

        if (!*value && !str_empty(getenv(settings[i].environment))) {
            *value = getenv(settings[i].environment);
            name = settings[i].environment;
        }
        if (!*value)
            *value = settings[i].otherwise;
        r = settings[i].check(*value, reterr);
        if (r < 0)
            return err_wrap(reterr, "%s=%s", name, *value);
    }
    return 0;
}
