/* SPDX-License-Identifier: Apache-2.0 */
/* "NAME\n" and a registries.conf: whatever is found has a prefix of the name. */
#include "registry/conf/registries_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    RegistriesConf conf = {0};
    const RegistryEntry *entry;
    const char *name;
    size_t length;
    Err err = ERR_INIT;

    if (!line)
        return 0;
    name = arena_strndup(&conf.arena, (const char *)data, (size_t)(line - data));
    if (registries_conf_add(&conf, (const char *)line + 1, size - (size_t)(line + 1 - data), &err))
        ASSERT(err.message[0]);
    entry = registries_conf_find(&conf, name, &length);
    if (entry) {
        ASSERT(length > 0 && length <= strlen(name));
        ASSERT(entry->prefix[0] == '*' || strncmp(entry->prefix, name, length) == 0);
        ASSERT(registry_source_name(&entry->source, name, length, &conf.arena));
        for (size_t i = 0; i < entry->n; i++)
            ASSERT(*entry->mirrors[i].location);
    }
    registries_conf_deinit(&conf);
    return 0;
}
