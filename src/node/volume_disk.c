/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes as plain folders. See volume_disk.h. */
#include <sys/stat.h>

#include "base/fault.h"
#include "base/file.h"
#include "node/volume_disk.h"

/* Names are PersistentVolume names (DNS subdomains), so they hold no slash; checked all the same.
 */
static int check_name(const char *name, Err *reterr)
{
    if (str_empty(name) || strchr(name, '/') || str_equal(name, ".") || str_equal(name, ".."))
        return err_set(reterr, EINVAL, "not a volume name: %s", str_or(name, ""));
    return 0;
}

int volume_disk_make(const char *data_dir, const char *name, int64_t size, char **ret, Err *reterr)
{
    _free_ char *data = mem_printf("%s/volumes/%s/data", data_dir, name);
    _free_ char *size_file = mem_printf("%s/volumes/%s/size", data_dir, name);
    _free_ char *before = NULL;
    char text[32];
    size_t n;
    int r = check_name(name, reterr);

    if (r < 0)
        return r;
    r = FAULT_POINT("node.volume.make") ? -EIO : file_mkdir_all(data, 0777);
    if (r < 0)
        return err_set(reterr, -r, "cannot make volume %s", name);
    snprintf(text, sizeof(text), "%" PRId64 "\n", size);
    if (file_read(size_file, 64, &before, &n) < 0) {
        if (chmod(data, 0777) <
            0) /* the umask may have taken bits; later on the mode is the users' */
            return err_set(reterr, errno, "cannot set the mode of volume %s", name);
    }
    if (!str_equal(before, text)) {
        r = FAULT_POINT("node.volume.size")
                ? -EIO
                : file_write_atomic(size_file, text, strlen(text), 0600);
        if (r < 0)
            return err_set(reterr, -r, "cannot write the size of volume %s", name);
    }
    *ret = TAKE_PTR(data);
    return 0;
}

int volume_disk_release(const char *data_dir, const char *name, Err *reterr)
{
    return check_name(name, reterr);
}

int volume_disk_remove(const char *data_dir, const char *name, Err *reterr)
{
    _free_ char *from = mem_printf("%s/volumes/%s", data_dir, name);
    _free_ char *to = mem_printf("%s/volumes/.gone-%s", data_dir, name);
    int r = check_name(name, reterr);

    if (r < 0)
        return r;
    /* Out of sight at once, so that a crash half-way leaves no half volume under its name. */
    if (rename(from, to) < 0 && errno != ENOENT) {
        r = errno == ENOTEMPTY || errno == EEXIST ? file_remove_tree(to) : -errno;
        if (r >= 0 && rename(from, to) < 0)
            r = -errno;
        if (r < 0)
            return err_set(reterr, -r, "cannot remove volume %s", name);
    }
    r = FAULT_POINT("node.volume.remove") ? -EIO : file_remove_tree(to);
    return r < 0 ? err_set(reterr, -r, "cannot remove the data of volume %s", name) : 0;
}
