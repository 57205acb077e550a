/* SPDX-License-Identifier: Apache-2.0 */
/* The tar of the layer is first written to an unnamed file: its size precedes its data in the
 * archive, and its digest is part of the config. Then the archive is written around it. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <yyjson.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "base/timefmt.h"
#include "base/vec.h"
#include "image/internal.h"
#include "image/make.h"
#include "image/platform.h"

#define FOLDERS_DEEP_MAX 100 /* each needs an open descriptor */
#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The layer that is being written. */
typedef struct Layer {
    struct archive *tar;
    int fd;
    Digest digest;
    int64_t size;
    char diff_id[DIGEST_TEXT];
    uid_t uid; /* owner of the folder, whose files are given to root */
    gid_t gid;
    int64_t newest; /* modification time of the newest file */
    const ImageRecipe *recipe;
} Layer;

static void report(const ImageRecipe *recipe, int64_t done, int64_t all)
{
    if (recipe->on_bytes)
        recipe->on_bytes(recipe->on_bytes_data, done, all);
}

static la_ssize_t on_layer_bytes(struct archive *tar, void *data, const void *p, size_t n)
{
    Layer *layer = data;
    const char *at = p;

    for (size_t left = n; left;) {
        ssize_t written = write(layer->fd, at, left);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            archive_set_error(tar, errno, "write the layer");
            return -1;
        }
        at += written;
        left -= (size_t)written;
    }
    digest_add(&layer->digest, p, n);
    layer->size += (int64_t)n;
    report(layer->recipe, layer->size, 0);
    return (la_ssize_t)n;
}

static int tar_failed(struct archive *tar, const char *path, Err *reterr)
{
    return err_set(reterr, archive_errno(tar), "pack %s", path);
}

/* Copies the content of fd as the data of the entry whose header has been written. */
static int copy_bytes(struct archive *tar, int fd, int64_t size, const char *path,
                      const ImageRecipe *recipe, Err *reterr)
{
    _free_ char *buffer = mem_new(128 << 10);
    int64_t all = size;

    while (size > 0) {
        ssize_t n = read(fd, buffer, (size_t)MIN_OF(size, (int64_t)(128 << 10)));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(reterr, n < 0 ? errno : 0, n < 0 ? "read %s" : "%s became shorter",
                           path);
        if (archive_write_data(tar, buffer, (size_t)n) < 0)
            return tar_failed(tar, path, reterr);
        size -= n;
        if (recipe)
            report(recipe, all - size, all);
    }
    return 0;
}

/* ---- the layer ---- */

static struct archive_entry *make_entry(Layer *layer, const struct stat *st, const char *path)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, st->st_mode);
    archive_entry_set_uid(entry, st->st_uid == layer->uid ? 0 : st->st_uid);
    archive_entry_set_gid(entry, st->st_gid == layer->gid ? 0 : st->st_gid);
    archive_entry_set_mtime(entry, st->st_mtime, 0);
    archive_entry_set_size(entry, S_ISREG(st->st_mode) ? st->st_size : 0);
    layer->newest = MAX_OF(layer->newest, (int64_t)st->st_mtime);
    return entry;
}

static int add_header(Layer *layer, struct archive_entry *entry, const char *path, Err *reterr)
{
    int rc = archive_write_header(layer->tar, entry);

    archive_entry_free(entry);
    return rc < ARCHIVE_WARN ? tar_failed(layer->tar, path, reterr) : 0;
}

static int add_file(Layer *layer, int fd, const struct stat *st, const char *path, Err *reterr)
{
    int r = add_header(layer, make_entry(layer, st, path), path, reterr);

    return r < 0 ? r : copy_bytes(layer->tar, fd, st->st_size, path, NULL, reterr);
}

static int add_link(Layer *layer, int folder, const char *name, const struct stat *st,
                    const char *path, Err *reterr)
{
    struct archive_entry *entry = make_entry(layer, st, path);
    char target[PATH_MAX];
    ssize_t n = readlinkat(folder, name, target, sizeof(target) - 1);

    if (n < 0) {
        archive_entry_free(entry);
        return err_set(reterr, errno, "read the link %s", path);
    }
    target[n] = 0;
    archive_entry_set_symlink(entry, target);
    return add_header(layer, entry, path, reterr);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *entry)
{
    return !str_equal(entry->d_name, ".") && !str_equal(entry->d_name, "..");
}

static int add_folder(Layer *layer, int fd, const char *path, int depth, Err *reterr);

static int add_name(Layer *layer, int folder, const char *name, const char *path, int depth,
                    Err *reterr)
{
    struct stat st;
    _close_fd_ int fd = -1;
    int r;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(reterr, errno, "look at %s", path);
    if (S_ISLNK(st.st_mode))
        return add_link(layer, folder, name, &st, path, reterr);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return 0;
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(reterr, errno, "open %s", path);
    if (S_ISREG(st.st_mode))
        return add_file(layer, fd, &st, path, reterr);
    r = add_header(layer, make_entry(layer, &st, path), path, reterr);
    return r < 0 ? r : add_folder(layer, fd, path, depth + 1, reterr);
}

/* Lists the folder in order of names. */
static int add_folder(Layer *layer, int fd, const char *path, int depth, Err *reterr)
{
    struct dirent **entries;
    int n, r = 0;

    if (depth > FOLDERS_DEEP_MAX)
        return err_set(reterr, 0, "%s: more than %d folders deep", path, FOLDERS_DEEP_MAX);
    n = scandirat(fd, ".", &entries, not_dots, by_name);
    if (n < 0)
        return err_set(reterr, errno, "list %s", path);
    for (int i = 0; i < n; i++) {
        _free_ char *whole =
            *path ? mem_printf("%s/%s", path, entries[i]->d_name) : mem_strdup(entries[i]->d_name);

        if (r >= 0)
            r = add_name(layer, fd, entries[i]->d_name, whole, depth, reterr);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* Reads the loader that an ELF program requests. False if it is static or not an ELF of this
 * word size, which is not checked. */
static bool find_loader(int fd, char loader[static 256])
{
    Elf64_Ehdr head;

    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64)
        return false;
    for (int i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr part;
        off_t at = (off_t)(head.e_phoff + (uint64_t)i * sizeof(part));
        ssize_t n;

        if (pread(fd, &part, sizeof(part), at) != sizeof(part))
            return false;
        if (part.p_type != PT_INTERP)
            continue;
        n = pread(fd, loader, MIN_OF(part.p_filesz, 255u), (off_t)part.p_offset);
        loader[MAX_OF(n, 0)] = 0;
        return n > 0;
    }
    return false;
}

static int add_program(Layer *layer, const ImageRecipe *recipe, int fd, struct stat *st,
                       const char *path, Err *reterr)
{
    static const char *const folders[] = {"usr", "usr/bin"};
    struct stat folder = {.st_mode = S_IFDIR | 0755,
                          .st_uid = st->st_uid,
                          .st_gid = st->st_gid,
                          .st_mtime = st->st_mtime};
    char loader[256];
    int r = 0;

    if (!recipe->base.n && find_loader(fd, loader))
        return err_set(reterr, 0,
                       "%s is not static: it needs %s, which an image of it alone lacks. Link it "
                       "with -static (Go: CGO_ENABLED=0), or name a --base that has it",
                       recipe->source, loader);
    st->st_mode |= 0111;
    /* with a base image, the folders keep their attributes */
    for (size_t i = 0; i < ARRAY_LEN(folders) && r >= 0 && !recipe->base.n; i++)
        r = add_header(layer, make_entry(layer, &folder, folders[i]), folders[i], reterr);
    return r < 0 ? r : add_file(layer, fd, st, path, reterr);
}

static int fill_layer(Layer *layer, const ImageRecipe *recipe, const char *program, Err *reterr)
{
    struct stat st;
    _close_fd_ int fd = open(recipe->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(reterr, errno, "open %s", recipe->source);
    layer->uid = st.st_uid;
    layer->gid = st.st_gid;
    if (S_ISDIR(st.st_mode))
        return add_folder(layer, fd, "", 0, reterr);
    if (!S_ISREG(st.st_mode))
        return err_set(reterr, 0, "%s is neither a folder nor a program", recipe->source);
    return add_program(layer, recipe, fd, &st, program + 1, reterr);
}

static struct archive *open_tar(void)
{
    struct archive *tar = archive_write_new();

    archive_write_set_format_pax_restricted(tar);
    archive_write_add_filter_none(tar);
    archive_write_set_bytes_per_block(tar, 0);
    return tar;
}

static int write_layer(Layer *layer, const ImageRecipe *recipe, const char *program, Err *reterr)
{
    int r;

    layer->tar = open_tar();
    digest_init(&layer->digest);
    if (archive_write_open(layer->tar, layer, NULL, on_layer_bytes, NULL) < ARCHIVE_WARN)
        r = tar_failed(layer->tar, recipe->source, reterr);
    else
        r = fill_layer(layer, recipe, program, reterr);
    if (r >= 0 && archive_write_close(layer->tar) < ARCHIVE_WARN)
        r = tar_failed(layer->tar, recipe->source, reterr);
    archive_write_free(layer->tar);
    if (r >= 0)
        digest_finish(&layer->digest, layer->diff_id);
    digest_deinit(&layer->digest);
    return r;
}

/* ---- the config ---- */

static yyjson_mut_val *child(yyjson_mut_doc *doc, yyjson_mut_val *parent, const char *name,
                             bool array)
{
    yyjson_mut_val *value = yyjson_mut_obj_get(parent, name);

    if (value && (array ? yyjson_mut_is_arr(value) : yyjson_mut_is_obj(value)))
        return value;
    yyjson_mut_obj_remove_key(parent, name);
    return array ? yyjson_mut_obj_add_arr(doc, parent, name)
                 : yyjson_mut_obj_add_obj(doc, parent, name);
}

static void put_string(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
                       const char *value)
{
    yyjson_mut_obj_remove_key(object, name);
    yyjson_mut_obj_add_strcpy(doc, object, name, value);
}

/* Sets "A=b", replacing an existing variable A. */
static void put_env(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *variable)
{
    size_t n = strcspn(variable, "=") + 1, at, max;
    yyjson_mut_val *item;

    yyjson_mut_arr_foreach(list, at, max, item)
    {
        const char *old = yyjson_mut_get_str(item);

        if (old && strncmp(old, variable, n) == 0) {
            yyjson_mut_arr_replace(list, at, yyjson_mut_strcpy(doc, variable));
            return;
        }
    }
    yyjson_mut_arr_add_strcpy(doc, list, variable);
}

static void put_words(yyjson_mut_doc *doc, yyjson_mut_val *config, const char *name,
                      const char *const *words, size_t n)
{
    yyjson_mut_val *list;

    yyjson_mut_obj_remove_key(config, name);
    if (n == 0)
        return;
    list = yyjson_mut_obj_add_arr(doc, config, name);
    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_strcpy(doc, list, words[i]);
}

/* As in a Dockerfile, a new ENTRYPOINT removes the CMD of the base. A command without an entrypoint is the entrypoint. */
static void put_command(yyjson_mut_doc *doc, yyjson_mut_val *config, const ImageRecipe *recipe,
                        const char *program)
{
    const StringArray *entrypoint = &recipe->entrypoint, *command = &recipe->command;
    const StringArray none = {0};

    if (!entrypoint->n && command->n) {
        entrypoint = command;
        command = &none;
    }
    if (entrypoint->n)
        put_words(doc, config, "Entrypoint", entrypoint->v, entrypoint->n);
    else if (program)
        put_words(doc, config, "Entrypoint", &program, 1);
    else
        return;
    put_words(doc, config, "Cmd", command->v, command->n);
}

static void fill_config(yyjson_mut_doc *doc, const ImageRecipe *recipe, const Layer *layer,
                        const char *program)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc),
                   *config = child(doc, root, "config", false),
                   *env = child(doc, config, "Env", true), *entry;
    char created[TIMEFMT_MAX];
    Platform own;

    timefmt_seconds(layer->newest, created);
    if (!recipe->base.n) {
        platform_own(&own);
        put_string(doc, root, "architecture", own.architecture);
        put_string(doc, root, "os", own.os);
        put_env(doc, env, PATH_DEFAULT);
    }
    put_string(doc, root, "created", created);
    for (size_t i = 0; i < recipe->env.n; i++)
        put_env(doc, env, recipe->env.v[i]);
    put_command(doc, config, recipe, program);
    if (recipe->working_dir)
        put_string(doc, config, "WorkingDir", recipe->working_dir);
    if (recipe->user)
        put_string(doc, config, "User", recipe->user);
    entry = child(doc, root, "rootfs", false);
    put_string(doc, entry, "type", "layers");
    yyjson_mut_arr_add_strcpy(doc, child(doc, entry, "diff_ids", true), layer->diff_id);
    entry = yyjson_mut_arr_add_obj(doc, child(doc, root, "history", true));
    put_string(doc, entry, "created", created);
    put_string(doc, entry, "created_by", "stead image make");
}

/* ---- the archive ---- */

static int add_text(struct archive *tar, const char *path, const char *text, size_t n, Err *reterr)
{
    struct archive_entry *entry = archive_entry_new();
    int rc;

    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, S_IFREG | 0644);
    archive_entry_set_size(entry, (int64_t)n);
    rc = archive_write_header(tar, entry);
    archive_entry_free(entry);
    if (rc < ARCHIVE_WARN || archive_write_data(tar, text, n) < 0)
        return tar_failed(tar, path, reterr);
    return 0;
}

/* Writes manifest.json, which names the config, and all layers by their digests. */
static char *make_manifest(const ImageRecipe *recipe, yyjson_mut_doc *config,
                           const char *config_path, size_t *ret_n)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_arr(doc), *image, *list, *item;
    size_t at, max;
    char *text;

    yyjson_mut_doc_set_root(doc, root);
    image = yyjson_mut_arr_add_obj(doc, root);
    yyjson_mut_obj_add_strcpy(doc, image, "Config", config_path);
    yyjson_mut_arr_add_strcpy(doc, yyjson_mut_obj_add_arr(doc, image, "RepoTags"), recipe->name);
    list = yyjson_mut_obj_add_arr(doc, image, "Layers");
    yyjson_mut_arr_foreach(yyjson_mut_doc_ptr_get(config, "/rootfs/diff_ids"), at, max, item)
    {
        const char *diff_id = yyjson_mut_get_str(item);
        _free_ char *path =
            mem_printf("%s/layer.tar", digest_is_valid(diff_id) ? digest_hex(diff_id) : "none");

        yyjson_mut_arr_add_strcpy(doc, list, path);
    }
    text = yyjson_mut_write(doc, 0, ret_n);
    yyjson_mut_doc_free(doc);
    return text;
}

static int add_layer(struct archive *tar, Layer *layer, Err *reterr)
{
    _free_ char *path = mem_printf("%s/layer.tar", digest_hex(layer->diff_id));
    struct archive_entry *entry = archive_entry_new();
    int rc;

    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, S_IFREG | 0644);
    archive_entry_set_size(entry, layer->size);
    rc = archive_write_header(tar, entry);
    archive_entry_free(entry);
    if (rc < ARCHIVE_WARN || lseek(layer->fd, 0, SEEK_SET) < 0)
        return tar_failed(tar, path, reterr);
    return copy_bytes(tar, layer->fd, layer->size, path, layer->recipe, reterr);
}

static int write_archive(const ImageRecipe *recipe, Layer *layer, yyjson_mut_doc *config,
                         const char *path, Err *reterr)
{
    char digest[DIGEST_TEXT];
    size_t n = 0, manifest_n = 0;
    _free_ char *text = yyjson_mut_write(config, 0, &n), *config_path = NULL, *manifest = NULL;
    struct archive *tar;
    int r = 0;

    digest_of((Bytes){(const uint8_t *)text, n}, digest);
    config_path = mem_printf("%s.json", digest_hex(digest));
    manifest = make_manifest(recipe, config, config_path, &manifest_n);
    tar = open_tar();
    if (archive_write_open_filename(tar, path) < ARCHIVE_WARN)
        r = tar_failed(tar, path, reterr);
    if (r >= 0)
        r = add_text(tar, "manifest.json", manifest, manifest_n, reterr);
    if (r >= 0)
        r = add_text(tar, config_path, text, n, reterr);
    if (r >= 0)
        r = add_layer(tar, layer, reterr);
    if (r >= 0 && archive_write_close(tar) < ARCHIVE_WARN)
        r = tar_failed(tar, path, reterr);
    archive_write_free(tar);
    return r;
}

/* The config of the base image to start from, or an empty one. */
static yyjson_mut_doc *open_config(const ImageRecipe *recipe)
{
    yyjson_doc *base =
        recipe->base.n ? yyjson_read((const char *)recipe->base.p, recipe->base.n, 0) : NULL;
    yyjson_mut_doc *doc = base ? yyjson_doc_mut_copy(base, NULL) : yyjson_mut_doc_new(NULL);

    yyjson_doc_free(base);
    if (!yyjson_mut_is_obj(yyjson_mut_doc_get_root(doc)))
        yyjson_mut_doc_set_root(doc, yyjson_mut_obj(doc));
    return doc;
}

/* "/usr/bin/NAME" if the source is a program, NULL if it is a folder. /bin is avoided, because
 * in many base images it is a link, which a folder would hide. */
static char *program_path(const char *source)
{
    const char *slash = strrchr(source, '/');
    struct stat st;

    if (stat(source, &st) < 0 || S_ISDIR(st.st_mode))
        return NULL;
    return mem_printf("/usr/bin/%s", slash ? slash + 1 : source);
}

int image_make(const ImageRecipe *recipe, const char *archive, Err *reterr)
{
    _free_ char *program = program_path(recipe->source), *folder = mem_strdup(archive);
    _close_fd_ int fd = -1;
    locale_t made, before;
    Layer layer = {0};
    yyjson_mut_doc *config;
    int r;

    *strrchr(folder, '/') = 0;
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(reterr, errno, "make a file in %s", folder);
    layer.fd = fd;
    layer.recipe = recipe;
    before = image_utf8_begin(&made);
    r = write_layer(&layer, recipe, program, reterr);
    if (r >= 0) {
        config = open_config(recipe);
        fill_config(config, recipe, &layer, program);
        r = write_archive(recipe, &layer, config, archive, reterr);
        yyjson_mut_doc_free(config);
    }
    image_utf8_end(before, made);
    return ERR_TRACE(r);
}

int image_read_config(ImageStore *store, const char *name, Arena *arena, Bytes *ret, Err *reterr)
{
    _free_ char *path = NULL, *text = NULL;
    Image image;
    size_t n = 0;
    int r;

    image_bring(store, name);
    r = image_find(store, name, arena, &image, reterr);

    if (r)
        return r;
    path = image_blob_path(store, image.id);
    r = file_read(path, JSON_BYTES_MAX, &text, &n);
    if (r < 0)
        return err_set(reterr, -r, "read %s", path);
    *ret = (Bytes){(const uint8_t *)arena_strndup(arena, text, n), n};
    return 0;
}
