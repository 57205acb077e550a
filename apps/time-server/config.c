/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <sys/stat.h>

#include "config.h"

/* "", "10.0.0.7" or "[::1]". */
static bool is_address(const char *text, size_t n)
{
    char address[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';

    if (n >= sizeof(address))
        return false;
    snprintf(address, sizeof(address), "%.*s", (int)n - 2 * bracketed, text + bracketed);
    return n == 0 || inet_pton(bracketed ? AF_INET6 : AF_INET, address, bytes) == 1;
}

static int read_listen(Config *config, const char *value, Err *reterr)
{
    const char *colon = strrchr(value, ':');
    int64_t port;

    config->listen = value;
    if (str_starts_with(value, "unix:/"))
        return 0;
    if (!colon || str_to_int64(colon + 1, 0, 65535, &port) ||
        !is_address(value, (size_t)(colon - value)))
        return err_set(reterr, 0,
                       "give an IP address and a port, such as 0.0.0.0:5000, [::1]:5000 "
                       "or :5000");
    return 0;
}

static int read_file(Config *config, const char *value, Err *reterr)
{
    const char *slash = strrchr(value, '/'), *name = slash ? slash + 1 : value;
    struct stat st;

    config->file = value;
    if (!*name || str_equal(name, ".") || str_equal(name, ".."))
        return err_set(reterr, 0, "give the path of a file");
    if (stat(value, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(reterr, 0, "that is no file");
    return 0;
}

static int read_format(Config *config, const char *value, Err *reterr)
{
    config->format = counter_format(value);
    return config->format ? 0 : err_set(reterr, 0, "give text, line, log, quoted or binary");
}

/* glibc uses UTC for an unknown name without an error, so the file of the zone is looked up here. */
static int read_zone(Config *config, const char *value, Err *reterr)
{
    char path[256];
    struct stat st;

    config->zone = value;
    if (str_equal(value, "UTC"))
        return 0;
    if (!*value || strstr(value, "..") || value[0] == '/')
        return err_set(reterr, 0, "give the name of a zone, such as Europe/Moscow");
    snprintf(path, sizeof(path), "%s/%s", str_or(getenv("TZDIR"), "/usr/share/zoneinfo"), value);
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(reterr, 0, "there is no such time zone in %s",
                       str_or(getenv("TZDIR"), "/usr/share/zoneinfo"));
    return 0;
}

static int read_trusted(Config *config, const char *value, Err *reterr)
{
    return networks_parse(value, &config->trusted, reterr);
}

static int read_sync(Config *config, const char *value, Err *reterr)
{
    static const char *const names[] = {
        [SYNC_ALWAYS] = "always", [SYNC_INTERVAL] = "interval", [SYNC_NEVER] = "never"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_equal(names[i], value)) {
            config->sync = (Sync)i;
            return 0;
        }
    return err_set(reterr, 0, "give always, interval or never");
}

typedef struct Setting {
    const char *flag, *environment, *otherwise;
    int (*read)(Config *config, const char *value, Err *reterr);
    const char *argument, *doc;
} Setting;

/* clang-format off */
static const Setting settings[] = {
    {"--listen",          "TIME_SERVER_LISTEN",          ":5000",  read_listen,  "ADDR:PORT", "address to listen on; also [ADDR]:PORT, :PORT or unix:/PATH"},
    {"--file",            "TIME_SERVER_FILE",            "visits", read_file,    "FILE",      "file that holds the count"},
    {"--format",          "TIME_SERVER_FORMAT",          "text",   read_format,  "FORMAT",    "format of the file: text, line, log, quoted or binary"},
    {"--zone",            "TIME_SERVER_ZONE",            "UTC",    read_zone,    "ZONE",      "time zone, such as Europe/Moscow"},
    {"--trusted-proxies", "TIME_SERVER_TRUSTED_PROXIES", "",       read_trusted, "NETWORKS",  "proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8,::1"},
    {"--sync",            "TIME_SERVER_SYNC",            "always", read_sync,    "WHEN",      "when visits are synced to the disk: always (before they are answered), interval (every second), never"},
};
/* clang-format on */

void config_print_help(FILE *to)
{
    fprintf(
        to,
        "time-server shows the time and counts its visits.\n\n"
        "Usage: time-server [OPTION]...\n\n"
        "Each option can also be set by an environment variable; the option takes precedence.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const Setting *s = &settings[i];

        fprintf(to, "  %s=%s\n      %s\n      (%s, default %s%s%s)\n", s->flag, s->argument, s->doc,
                s->environment, *s->otherwise ? "\"" : "", *s->otherwise ? s->otherwise : "none",
                *s->otherwise ? "\"" : "");
    }
    fprintf(to, "  --help, --version\n");
}

static const Setting *find_setting(const char *flag, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (strlen(settings[i].flag) == n && strncmp(settings[i].flag, flag, n) == 0)
            return &settings[i];
    return NULL;
}

static int read_flags(int argc, char **argv, Config *config,
                      const char *values[static ARRAY_LEN(settings)], Err *reterr)
{
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *equals = strchr(flag, '=');
        const Setting *setting =
            find_setting(flag, equals ? (size_t)(equals - flag) : strlen(flag));

        config->help |= str_equal(flag, "--help") || str_equal(flag, "-h");
        config->version |= str_equal(flag, "--version");
        if (config->help || config->version)
            return 0;
        if (!setting)
            return err_set(reterr, 0, "there is no option %s; --help shows all", flag);
        if (!equals && i + 1 == argc)
            return err_set(reterr, 0, "%s needs a value: %s", flag, setting->argument);
        values[setting - settings] = equals ? equals + 1 : argv[++i];
    }
    return 0;
}

int config_read(int argc, char **argv, Config *ret, Err *reterr)
{
    const char *values[ARRAY_LEN(settings)] = {0};
    int r;

    *ret = (Config){0};
    r = read_flags(argc, argv, ret, values, reterr);
    if (r < 0 || ret->help || ret->version)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const Setting *setting = &settings[i];
        const char *name = setting->flag, *value = values[i];

        if (!value && !str_empty(getenv(setting->environment))) {
            name = setting->environment;
            value = getenv(name);
        }
        if (!value)
            value = setting->otherwise;
        r = setting->read(ret, value, reterr);
        if (r < 0)
            return err_wrap(reterr, "%s=%s", name, value);
    }
    return 0;
}
