/* SPDX-License-Identifier: Apache-2.0 */
#include "base/files/file.h"
#include "registry/internal.h"

#define SYSTEM_CONF "/etc/containers/registries.conf"

static const RegistryTimes defaults = {
    .connect_ms = 20000,
    .first_byte_ms = 30000,
    .stall_ms = 30000,
    .stall_bytes = 32 << 10,
    .retry_ms = 200,
    .retry_after_ms = 20000,
};

static RegistryTimes complete(const RegistryTimes *times)
{
    return (RegistryTimes){
        .connect_ms = times->connect_ms ? times->connect_ms : defaults.connect_ms,
        .first_byte_ms = times->first_byte_ms ? times->first_byte_ms : defaults.first_byte_ms,
        .stall_ms = times->stall_ms ? times->stall_ms : defaults.stall_ms,
        .stall_bytes = times->stall_bytes ? times->stall_bytes : defaults.stall_bytes,
        .retry_ms = times->retry_ms ? times->retry_ms : defaults.retry_ms,
        .retry_after_ms = times->retry_after_ms ? times->retry_after_ms : defaults.retry_after_ms,
    };
}

/* $XDG_CONFIG_HOME/containers/..., NULL if there is no home. The caller frees. */
static char *user_path(const char *name)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (!str_empty(config))
        return mem_printf("%s/containers/%s", config, name);
    return str_empty(home) ? NULL : mem_printf("%s/.config/containers/%s", home, name);
}

/* The file and its folder. */
static int load_conf(RegistriesConf *conf, const char *path, Err *reterr)
{
    _free_ char *folder = mem_printf("%s.d", path);
    int r = registries_conf_add_file(conf, path, reterr);

    return r ? r : registries_conf_add_folder(conf, folder, reterr);
}

/* The user's file takes the place of the system's; the folders add up. */
static int load_usual_conf(RegistriesConf *conf, Err *reterr)
{
    _free_ char *own = user_path("registries.conf"), *folder = user_path("registries.conf.d");
    bool has_own = own && file_exists(own);
    int r = registries_conf_add_file(conf, has_own ? own : SYSTEM_CONF, reterr);

    if (r == 0)
        r = registries_conf_add_folder(conf, SYSTEM_CONF ".d", reterr);
    if (r == 0 && folder)
        r = registries_conf_add_folder(conf, folder, reterr);
    return r;
}

static void set_certs(RegistryConfig *config, const char *const *dirs)
{
    static const char *const usual[] = {"/etc/containers/certs.d", "/etc/docker/certs.d", NULL};
    char *own = dirs ? NULL : user_path("certs.d");

    if (own)
        VEC_PUSH(&config->certs, own);
    for (dirs = dirs ? dirs : usual; *dirs; dirs++)
        VEC_PUSH(&config->certs, mem_strdup(*dirs));
    VEC_PUSH(&config->certs, NULL);
}

int registry_config_load(const RegistryOptions *options, RegistryConfig **ret, Err *reterr)
{
    static const RegistryOptions none;
    const char *named = getenv("CONTAINERS_REGISTRIES_CONF");
    _registry_config_ RegistryConfig *config = mem_new_type(RegistryConfig);
    int r = 0;

    options = options ? options : &none;
    named = options->conf ? options->conf : str_empty(named) ? NULL : named;
    config->may_connect = options->may_connect;
    config->data = options->data;
    config->times = complete(&options->times);
    proxy_settings_read(&config->proxies);
    config->memory = mem_new_type(RegistryMemory);
    memory_init(config->memory);
    set_certs(config, options->certs);
    if (!named)
        r = load_usual_conf(&config->conf, reterr);
    else if (*named)
        r = load_conf(&config->conf, named, reterr);
    if (r)
        return ERR_TRACE(r);
    *ret = TAKE_PTR(config);
    return 0;
}

RegistryConfig *registry_config_free(RegistryConfig *config)
{
    if (!config)
        return NULL;
    registries_conf_deinit(&config->conf);
    for (size_t i = 0; i < config->certs.n; i++)
        free(config->certs.v[i]);
    VEC_DEINIT(&config->certs);
    proxy_settings_deinit(&config->proxies);
    memory_deinit(config->memory);
    free(config->memory);
    free(config);
    return NULL;
}
