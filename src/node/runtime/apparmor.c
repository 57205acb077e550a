/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "base/files/file.h"
#include "base/files/user_namespace.h"
#include "node/runtime/apparmor.h"
#include "node/runtime/program.h"

#define ENABLED "/sys/module/apparmor/parameters/enabled"
#define PROFILES "/sys/kernel/security/apparmor/profiles" /* lines "name (mode)" */
#define PROFILES_MAX (4 << 20)

/* Everything is allowed that capabilities, namespaces and seccomp leave to the container, except changes of what belongs to the machine:
 * mounts, the settings of the kernel that have no namespace, and its memory. The ABI is named because later ones also mediate what this
 * profile does not mention, such as user namespaces. */
static const char default_profile[] =
    "abi <abi/3.0>,\n"
    "profile " APPARMOR_DEFAULT " flags=(attach_disconnected, mediate_deleted) {\n"
    "  capability,\n"
    "  file,\n"
    "  network,\n"
    "  umount,\n"
    "  signal receive,\n"
    "  signal send peer=" APPARMOR_DEFAULT ",\n"
    "  ptrace (read, trace, readby, tracedby) peer=" APPARMOR_DEFAULT ",\n"
    "  deny mount,\n"
    "  deny /proc/{kcore,kmem,mem,sysrq-trigger} rwklx,\n"
    "  deny /proc/{acpi,bus,driver,fs,irq,scsi,tty}/** wkl,\n"
    "  deny /proc/sys/{abi,crypto,debug,dev,fs,sunrpc,user,vm}/** wkl,\n"
    /* msg*, sem and shm* belong to the IPC namespace, and domainname and hostname to the UTS namespace. */
    "  deny /proc/sys/kernel/{[^dhms],d[^o],h[^o],m[^s],s[^eh]}** wkl,\n"
    "  deny /proc/sys/kernel/*/** wkl,\n"
    "  deny /sys/{[^f],f[^s],fs/[^c],fs/c[^g]}** wkl,\n"
    "  deny /sys/firmware/** rwklx,\n"
    "  deny /sys/devices/virtual/powercap/** rwklx,\n"
    "  deny /sys/kernel/security/** rwklx,\n"
    "}\n";

bool apparmor_usable(const char **ret_why)
{
    _free_ char *text = NULL;
    const char *why = NULL;

    if (file_read(ENABLED, 16, &text, NULL) < 0 || *text != 'Y')
        why = "AppArmor is not enabled on the host";
    else if (in_user_namespace())
        why = "a server that belongs to an ordinary user cannot load AppArmor profiles";
    if (ret_why)
        *ret_why = why;
    return !why;
}

/* Whether a line of the list is "NAME (mode)". Names may contain spaces. */
static bool is_of(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncmp(line, name, n) == 0 && str_starts_with(line + n, " (") &&
           !strstr(line + n + 2, " (");
}

int apparmor_find(const char *name, Err *reterr)
{
    _free_ char *list = NULL;
    int r = file_read(PROFILES, PROFILES_MAX, &list, NULL);

    if (r < 0)
        return err_set(reterr, -r, "cannot read " PROFILES);
    for (char *at = list, *line; (line = strsep(&at, "\n"));)
        if (is_of(line, name))
            return 0;
    return err_set(reterr, 0, "apparmor profile not found %s", name);
}

int apparmor_load_default(Err *reterr)
{
    static const char *const argv[] = {"apparmor_parser", "--replace", "--skip-cache", "--quiet",
                                       NULL};
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    static atomic_bool loaded; /* by this process; an earlier version may have left another one */
    const ProgramOptions options = {
        .argv = argv, .env = env, .package = "apparmor", .input = default_profile, .lock = -1};
    int r;

    if (atomic_load(&loaded) && apparmor_find(APPARMOR_DEFAULT, NULL) == 0)
        return 0;
    r = program_run(&options, reterr);
    if (r == 0)
        atomic_store(&loaded, true);
    return r;
}
