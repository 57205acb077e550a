/* SPDX-License-Identifier: Apache-2.0 */
/* Where a user's credentials are: containers-auth.json(5) and Docker's config.json. */
#include "base/files/file.h"
#include "registry/keyring.h"

#define FILE_MAX (1u << 20)

int keyring_add_file(Keyring *keyring, const char *path, Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r = file_read(path, FILE_MAX, &text, &n);

    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r)
        return err_set(reterr, -r, "read %s", path);
    r = keyring_add_user_document(keyring, (Bytes){(const uint8_t *)text, n}, reterr);
    explicit_bzero(text, n);
    return r ? err_wrap(reterr, "%s", path) : 0;
}

/* The first one of containers' files that is there. */
static char *containers_file(void)
{
    const char *named = getenv("REGISTRY_AUTH_FILE"), *run = getenv("XDG_RUNTIME_DIR");
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    _free_ char *own = str_empty(run)
                           ? mem_printf("/run/containers/%u/auth.json", (unsigned)getuid())
                           : mem_printf("%s/containers/auth.json", run);

    if (!str_empty(named))
        return mem_strdup(named);
    if (file_exists(own))
        return TAKE_PTR(own);
    if (!str_empty(config))
        return mem_printf("%s/containers/auth.json", config);
    return str_empty(home) ? NULL : mem_printf("%s/.config/containers/auth.json", home);
}

static char *docker_file(void)
{
    const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

    if (!str_empty(folder))
        return mem_printf("%s/config.json", folder);
    return str_empty(home) ? NULL : mem_printf("%s/.docker/config.json", home);
}

int keyring_add_user_files(Keyring *keyring, Err *reterr)
{
    _free_ char *containers = containers_file(), *docker = docker_file();
    int r = containers ? keyring_add_file(keyring, containers, reterr) : 0;

    if (r == 0 && docker)
        r = keyring_add_file(keyring, docker, reterr);
    return ERR_TRACE(r);
}
