/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <termios.h>

#include "base/files/file.h"
#include "codec/json/json.h"
#include "daemon/image/credentials.h"
#include "registry/reference.h"

static void add_member(StrBuf *out, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    strbuf_printf(out, ",\"%s\":", name);
    json_encode_string(out, value, strlen(value));
}

/* Adds the credential as a document of its own, since a document has only one credential for a
 * registry or repository. */
static void add_credential(StrBuf *out, const char *repository, const Credential *credential)
{
    strbuf_add_string(out, "{\"auths\":{");
    json_encode_string(out, repository, strlen(repository));
    strbuf_add_string(out, ":{\"email\":\"\"");
    add_member(out, "username", credential->user);
    add_member(out, "password", credential->password);
    add_member(out, "identitytoken", credential->identity_token);
    add_member(out, "registrytoken", credential->registry_token);
    strbuf_add_string(out, "}}}\n");
}

/* Reads a line from the terminal, without echo if it is secret. */
static int prompt(const char *what, bool secret, char *ret, size_t n, Err *reterr)
{
    _close_fd_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, quiet;
    ssize_t got;

    if (fd < 0 || tcgetattr(fd, &before) < 0)
        return err_set(reterr, 0, "there is no terminal to ask for the %s; use --creds FILE", what);
    quiet = before;
    if (secret)
        quiet.c_lflag &= ~(tcflag_t)ECHO;
    dprintf(fd, "%s: ", what);
    tcsetattr(fd, TCSAFLUSH, &quiet);
    got = read(fd, ret, n - 1);
    tcsetattr(fd, TCSAFLUSH, &before);
    if (secret)
        dprintf(fd, "\n");
    if (got <= 0)
        return err_set(reterr, 0, "no %s was given", what);
    ret[got] = 0;
    ret[strcspn(ret, "\r\n")] = 0;
    return 0;
}

/* Reads --creds FILE, a file with the line USER:PASSWORD. "-" asks on the terminal. */
static int read_given(const char *creds, const char *repository, StrBuf *out, Err *reterr)
{
    char user[256], password[4096];
    _free_ char *text = NULL;
    Credential credential = {.user = user, .password = password};
    char *colon;
    int r = 0;

    if (str_equal(creds, "-")) {
        r = prompt("user", false, user, sizeof(user), reterr);
        if (r >= 0)
            r = prompt("password", true, password, sizeof(password), reterr);
    } else {
        r = file_read(creds, sizeof(user) + sizeof(password) - 2, &text, NULL);
        if (r < 0)
            return err_set(reterr, -r, "read %s", creds);
        text[strcspn(text, "\r\n")] = 0;
        colon = strchr(text, ':');
        if (!colon || (size_t)(colon - text) >= sizeof(user) ||
            strlen(colon + 1) >= sizeof(password))
            return err_set(reterr, 0, "%s: the first line has to be USER:PASSWORD", creds);
        snprintf(user, sizeof(user), "%.*s", (int)(colon - text), text);
        snprintf(password, sizeof(password), "%s", colon + 1);
        explicit_bzero(text, strlen(text));
    }
    if (r >= 0)
        add_credential(out, repository, &credential);
    explicit_bzero(password, sizeof(password));
    return ERR_TRACE(r);
}

int image_credentials_find(const Options *options, const char *name, StrBuf *out, Err *reterr)
{
    _keyring_ Keyring *keyring = keyring_new();
    _arena_ Arena arena = ARENA_INIT;
    CredentialArray found = {0};
    const char *why = "", *repository;
    ImageReference reference;
    int r;

    if (reference_parse(&arena, name, &reference, &why) != 0)
        return err_set(reterr, 0, "%s is not a name of an image: %s", name, why);
    repository = arena_printf(&arena, "%s/%s", reference.domain, reference.path);
    if (options->creds)
        return ERR_TRACE(read_given(options->creds, repository, out, reterr));
    r = keyring_add_user_files(keyring, reterr);
    if (r >= 0)
        r = keyring_find(keyring, repository, &arena, &found, reterr);
    for (size_t i = 0; i < found.n && r >= 0; i++)
        add_credential(out, repository, &found.v[i]);
    return ERR_TRACE(r);
}

int image_credentials_read(Bytes body, Keyring *keyring, Err *reterr)
{
    const uint8_t *at = body.p, *end = body.p + body.n;
    int r = 0;

    while (at < end && r >= 0) {
        const uint8_t *line = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((line ? line : end) - at);

        if (n > 0)
            r = keyring_add_dockerconfigjson(keyring, (Bytes){(uint8_t *)(uintptr_t)at, n}, reterr);
        at += n + 1;
    }
    return ERR_TRACE(r);
}
