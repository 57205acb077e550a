/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/files/file.h"
#include "cli/control_call.h"
#include "cli/kubeconfig.h"
#include "cli/url.h"
#include "daemon/user_access.h"
#include "server/server.h"

#define CALL_TIMEOUT_NS (INT64_C(10) * 1000000000)
#define RECORD_MAX 8192
/* A kubeconfig may be a FIFO or on a server that does not answer. */
#define CHILD_SECONDS 20
#define CHILD_STDERR_MAX 1024

/* ---- who calls ---- */

static const struct passwd *find_by_uid(const char *text)
{
    int64_t uid;

    return text && str_to_int64(text, 1, UINT32_MAX - 1, &uid) == 0 ? getpwuid((uid_t)uid) : NULL;
}

static const struct passwd *find_by_name(const char *name)
{
    return str_empty(name) ? NULL : getpwnam(name);
}

bool calling_user_find(Arena *arena, CallingUser *ret)
{
    static const struct {
        const char *variable;
        const struct passwd *(*find)(const char *value);
    } rows[] = {
        {"SUDO_UID", find_by_uid},
        {"DOAS_USER", find_by_name},
        {"PKEXEC_UID", find_by_uid},
    };
    const struct passwd *found = NULL;

    if (geteuid() != 0)
        return false;
    for (size_t i = 0; !found && i < ARRAY_LEN(rows); i++)
        found = rows[i].find(getenv(rows[i].variable));
    if (!found || found->pw_uid == 0 || str_empty(found->pw_dir) || found->pw_dir[0] != '/')
        return false;
    *ret = (CallingUser){.name = arena_strdup(arena, found->pw_name),
                         .home = arena_strdup(arena, found->pw_dir),
                         .kubeconfig = arena_printf(arena, "%s/.kube/config", found->pw_dir),
                         .uid = found->pw_uid,
                         .gid = found->pw_gid};
    return true;
}

static bool is_below(const char *path, const char *folder)
{
    return str_starts_with(path, folder) && path[strlen(folder)] == '/';
}

bool user_access_owns_kubeconfig(Options *options)
{
    CallingUser user;
    char home[PATH_MAX];

    if (options->kubeconfig_given || !calling_user_find(&options->arena, &user))
        return false;
    /* The path of the kubeconfig is resolved already. */
    return is_below(options->kubeconfig, user.home) ||
           (realpath(user.home, home) && is_below(options->kubeconfig, home));
}

/* ---- work as the user ---- */

typedef int (*UserWork)(void *data, Err *reterr);

/* Gives up the identity of root for good, with everything that this process has open. A process that has changed its user cannot be
 * traced by the new user, so the memory of root stays unreadable. */
static int become(const CallingUser *user, int keep_fd)
{
    if (keep_fd != 3 && dup3(keep_fd, 3, O_CLOEXEC) < 0)
        return -errno;
    if (close_range(4, ~0u, 0) < 0 || initgroups(user->name, user->gid) < 0 ||
        setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        chdir("/") < 0)
        return -errno;
    umask(0077);
    return setuid(0) == 0 ? -EPERM : 0;
}

static _Noreturn void run_child(const CallingUser *user, int fd, UserWork work, void *data)
{
    Err err = ERR_INIT;
    int r;

    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    r = become(user, fd);
    r = r < 0 ? err_set(&err, -r, "cannot become the user %s", user->name) : work(data, &err);
    if (r < 0)
        (void)file_write_fd(3, err.message, strlen(err.message));
    _exit(r < 0);
}

static int as_user(const CallingUser *user, UserWork work, void *data, Err *reterr)
{
    _close_fd_ int in = -1;
    _free_ char *text = NULL;
    int fds[2], status = 0;
    pid_t pid;
    size_t n = 0;

    fflush(NULL);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(reterr, errno, "cannot make a pipe");
    in = fds[0];
    pid = fork();
    if (pid == 0)
        run_child(user, fds[1], work, data);
    close(fds[1]);
    if (pid < 0)
        return err_set(reterr, errno, "cannot start a process");
    (void)file_read_fd(in, CHILD_STDERR_MAX, &text, &n);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return err_set(reterr, 0, "the process that worked as %s was ended by signal %d%s",
                       user->name, WTERMSIG(status),
                       WTERMSIG(status) == SIGALRM ? ", since it took too long" : "");
    return err_set(reterr, 0, "%s", n ? text : "the process that worked as the user failed");
}

/* ---- the record ---- */

static char *record_path(const Options *options, uid_t uid)
{
    return mem_printf("%s/users/%u", options->data, (unsigned)uid);
}

static int write_record(const Options *options, const CallingUser *user, const char *group,
                        Err *reterr)
{
    _free_ char *path = record_path(options, user->uid);
    _strbuf_ StrBuf text = STRBUF_INIT;
    int r = file_mkdir_for(path, 0700);

    strbuf_printf(&text, "name %s\ngroup %s\nkubeconfig %s\n", user->name, group, user->kubeconfig);
    if (r >= 0)
        r = file_write_changed(path, text.p, text.n, 0600);
    return r < 0 ? err_set(reterr, -r, "cannot write %s", path) : 0;
}

bool user_access_is_given(const Options *options, const CallingUser *user)
{
    _free_ char *path = record_path(options, user->uid);

    return file_exists(path);
}

static const char *choose_group(Options *options, const CallingUser *user)
{
    _free_ char *path = record_path(options, user->uid), *text = NULL;
    const char *group = NULL;

    if (options->user_group)
        return options->user_group;
    if (file_read(path, RECORD_MAX, &text, NULL) == 0)
        group = options_local_value(&options->arena, text, "group");
    return str_or(group, USER_GROUP_ADMIN);
}

/* ---- giving ---- */

typedef struct Grant {
    const char *path;
    KubeconfigEntry entry; /* with a new certificate */
    const char *user;
    const char *const *groups;
    bool make_current;
} Grant;

/* The target of a link, since a user may keep the file in another folder. */
static const char *target_of(Arena *arena, const char *path)
{
    char real[PATH_MAX];

    return realpath(path, real) ? arena_strdup(arena, real) : path;
}

/* A certificate that the user has and that is still good is kept, so that a repetition changes nothing. */
static int put_context(void *data, Err *reterr)
{
    Grant *grant = data;
    Arena arena = ARENA_INIT; /* the process ends right after this */
    const char *path = target_of(&arena, grant->path);
    Kubeconfig there = {0};
    Err ignored = ERR_INIT;

    if (kubeconfig_read(path, grant->entry.name, &arena, &there, &ignored) == 0 &&
        there.certificate_pem && there.key_pem &&
        pki_client_is_good(there.certificate_pem, there.key_pem, grant->entry.ca_pem, grant->user,
                           grant->groups, time(NULL))) {
        grant->entry.certificate_pem = there.certificate_pem;
        grant->entry.key_pem = there.key_pem;
    }
    return kubeconfig_put(path, &grant->entry, reterr);
}

/* Asks the server for a certificate; the answer is the certificate and then the key. */
static int ask_certificate(Options *options, const CallingUser *user, const char *group,
                           KubeconfigEntry *entry, Err *reterr)
{
    static const char key_head[] = "-----BEGIN EC PRIVATE KEY-----";
    _strbuf_ StrBuf path = STRBUF_INIT, answer = STRBUF_INIT;
    const char *key;
    int status;

    strbuf_add_string(&path, "/users");
    url_add_query(&path, "name", user->name);
    url_add_query(&path, "group", group);
    status =
        control_call(options->run, "POST", path.p, BYTES_NULL, CALL_TIMEOUT_NS, &answer, reterr);
    if (status < 0)
        return status;
    key = strstr(strbuf_string(&answer), key_head);
    if (status != 200 || !key)
        return err_set(reterr, 0, "%.*s", (int)strcspn(strbuf_string(&answer), "\n"), answer.p);
    entry->certificate_pem = arena_strndup(&options->arena, answer.p, (size_t)(key - answer.p));
    entry->key_pem = arena_strdup(&options->arena, key);
    return 0;
}

int user_access_give(Options *options, const CallingUser *user, const char **ret_group, Err *reterr)
{
    const char *admin = arena_printf(&options->arena, "%s/admin.kubeconfig", options->data);
    const char *groups[] = {choose_group(options, user), USER_GROUP_ALL, NULL};
    Grant grant = {.path = user->kubeconfig, .user = user->name, .groups = groups};
    Kubeconfig own;
    int r = kubeconfig_read(admin, NULL, &options->arena, &own, reterr);

    if (r)
        return r < 0 ? r : -ENOENT;
    grant.entry = (KubeconfigEntry){
        .name = options->context_name, .server = own.server, .ca_pem = own.ca_pem};
    r = ask_certificate(options, user, groups[0], &grant.entry, reterr);
    if (r == 0) /* before the file, so that a reset finds all of them */
        r = write_record(options, user, groups[0], reterr);
    if (r == 0)
        r = as_user(user, put_context, &grant, reterr);
    *ret_group = groups[0];
    return r;
}

/* ---- taking ---- */

typedef struct Withdrawal {
    const char *path, *context;
} Withdrawal;

static int remove_context(void *data, Err *reterr)
{
    const Withdrawal *withdrawal = data;
    Arena arena = ARENA_INIT; /* the process ends right after this */

    return kubeconfig_remove(target_of(&arena, withdrawal->path), withdrawal->context, reterr);
}

static void take_from(Options *options, const char *uid)
{
    _free_ char *path = mem_printf("%s/users/%s", options->data, uid), *text = NULL;
    const struct passwd *entry = find_by_uid(uid);
    Withdrawal withdrawal = {.context = options->context_name};
    Err err = ERR_INIT;
    CallingUser user;

    if (!entry || file_read(path, RECORD_MAX, &text, NULL) < 0)
        return; /* such a user does not exist any more */
    user = (CallingUser){.name = arena_strdup(&options->arena, entry->pw_name),
                         .uid = entry->pw_uid,
                         .gid = entry->pw_gid};
    withdrawal.path = options_local_value(&options->arena, text, "kubeconfig");
    if (withdrawal.path && as_user(&user, remove_context, &withdrawal, &err) < 0)
        fprintf(stderr, "stead: the context was not removed from %s: %s\n", withdrawal.path,
                err.message);
}

void user_access_take_all(Options *options)
{
    _free_ char *path = mem_printf("%s/users", options->data);
    DIR *folder = opendir(path);

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            take_from(options, entry->d_name);
    if (folder)
        closedir(folder);
}
