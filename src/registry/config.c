/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/internal.h"

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

int registry_config_load(const RegistryOptions *options, RegistryConfig **ret, Err *reterr)
{
    static const RegistryOptions none;
    RegistryConfig *config = mem_new_type(RegistryConfig);

    (void)reterr;
    options = options ? options : &none;
    config->may_connect = options->may_connect;
    config->data = options->data;
    config->times = complete(&options->times);
    proxy_settings_read(&config->proxies);
    config->memory = mem_new_type(RegistryMemory);
    memory_init(config->memory);
    *ret = config;
    return 0;
}

RegistryConfig *registry_config_free(RegistryConfig *config)
{
    if (!config)
        return NULL;
    proxy_settings_deinit(&config->proxies);
    memory_deinit(config->memory);
    free(config->memory);
    free(config);
    return NULL;
}
