/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>
#include <uv.h>

#include "base/fault.h"
#include "base/vec.h"
#include "node/volume/disk_template.h"

#define PIECE 1024             /* the smallest block, and where a superblock may begin */
#define READ_MAX (1024 * 1024) /* of data; an image with more is not a fresh file system */
#define KEPT_MAX (128 * 1024)
#define SHAPES 4

/* Offsets in a superblock (docs of ext4, "The Super Block") */
#define SUPER_MAGIC 0x38
#define SUPER_INCOMPATIBLE 0x60
#define SUPER_ID 0x68
#define SUPER_HASH_SEED 0xec
#define SUPER_CHECKSUM 0x3fc
#define INCOMPATIBLE_CSUM_SEED 0x2000

typedef struct Piece {
    int64_t at;
    uint8_t bytes[PIECE];
} Piece;

typedef struct Template {
    ImageShape shape;
    VEC(Piece) pieces; /* the parts that are not zero */
} Template;

static uv_mutex_t lock;
static uv_once_t once = UV_ONCE_INIT;
static Template templates[SHAPES]; /* the newest first */

static void init(void)
{
    ASSERT(uv_mutex_init(&lock) == 0);
}

static void hold(void)
{
    uv_once(&once, init);
    uv_mutex_lock(&lock);
}

static bool same_shape(const ImageShape *a, const ImageShape *b)
{
    return a->bytes == b->bytes && a->journal == b->journal && a->block == b->block &&
           a->bytes_per_inode == b->bytes_per_inode && a->inodes_per_group == b->inodes_per_group;
}

static const Template *find(const ImageShape *shape)
{
    for (size_t i = 0; i < SHAPES; i++)
        if (templates[i].pieces.n && same_shape(&templates[i].shape, shape))
            return &templates[i];
    return NULL;
}

static uint32_t crc32c(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return crc;
}

static bool is_super(const Piece *piece)
{
    return piece->bytes[SUPER_MAGIC] == 0x53 && piece->bytes[SUPER_MAGIC + 1] == 0xef;
}

static uint32_t read32(const uint8_t *p)
{
    uint32_t value;

    memcpy(&value, p, sizeof(value));
    return le32toh(value);
}

/* ---- keeping ---- */

static void template_deinit(Template *template)
{
    VEC_DEINIT(&template->pieces);
    *template = (Template){0};
}

static bool take_pieces(Template *template, int fd, int64_t at, int64_t end)
{
    static const uint8_t zeros[PIECE];
    Piece piece;

    for (at -= at % PIECE; at < end; at += PIECE) {
        piece.at = at;
        if (pread(fd, piece.bytes, PIECE, at) != PIECE)
            return false;
        if (memcmp(piece.bytes, zeros, PIECE) != 0)
            VEC_PUSH(&template->pieces, piece);
        if (template->pieces.n * PIECE > KEPT_MAX)
            return false;
    }
    return true;
}

typedef struct Range {
    int64_t at, end;
} Range;

typedef VEC(Range) RangeVec;

static bool find_ranges(int fd, RangeVec *ranges)
{
    Range range = {0};
    int64_t total = 0;

    while ((range.at = lseek(fd, range.end, SEEK_DATA)) >= 0) {
        range.end = lseek(fd, range.at, SEEK_HOLE);
        total += range.end - range.at;
        if (range.end < 0 || total > READ_MAX)
            return false;
        VEC_PUSH(ranges, range);
    }
    return errno == ENXIO;
}

/* Finds all data before reading any: a page that has been read counts as data from then on. */
static bool take_all(Template *template, int fd)
{
    RangeVec ranges = VEC_INIT;
    bool good = find_ranges(fd, &ranges);

    for (size_t i = 0; i < ranges.n && good; i++)
        good = take_pieces(template, fd, ranges.v[i].at, ranges.v[i].end);
    VEC_DEINIT(&ranges);
    return good && template->pieces.n > 0;
}

/* The first superblock is at offset 1024. Its ids may be changed only if checksums do not depend
 * on them. */
static bool may_be_copied(const Template *template)
{
    const Piece *first = &template->pieces.v[0];

    for (size_t i = 0; i < template->pieces.n && first->at < PIECE; i++)
        first = &template->pieces.v[i];
    return first->at == PIECE && is_super(first) &&
           read32(first->bytes + SUPER_INCOMPATIBLE) & INCOMPATIBLE_CSUM_SEED &&
           read32(first->bytes + SUPER_CHECKSUM) == crc32c(first->bytes, SUPER_CHECKSUM);
}

void volume_template_keep(int fd, const ImageShape *shape)
{
    Template new = {.shape = *shape};

    if (!take_all(&new, fd) || !may_be_copied(&new)) {
        template_deinit(&new);
        return;
    }
    hold();
    if (!find(shape)) { /* another thread may have kept the same shape meanwhile */
        template_deinit(&templates[SHAPES - 1]);
        memmove(templates + 1, templates, (SHAPES - 1) * sizeof(*templates));
        templates[0] = new;
        new = (Template){0};
    }
    uv_mutex_unlock(&lock);
    template_deinit(&new);
}

void volume_template_forget(void)
{
    hold();
    for (size_t i = 0; i < SHAPES; i++)
        template_deinit(&templates[i]);
    uv_mutex_unlock(&lock);
}

/* ---- writing ---- */

static int make_ids(uint8_t id[16], uint8_t hash_seed[16])
{
    if (getrandom(id, 16, 0) != 16 || getrandom(hash_seed, 16, 0) != 16)
        return ERR_ORIGIN(-EIO);
    id[6] = (uint8_t)(id[6] % 16 + 0x40); /* a random UUID (RFC 9562, version 4) */
    id[8] = (uint8_t)(id[8] % 64 + 0x80);
    return 0;
}

static int write_pieces(int fd, const Template *template)
{
    uint8_t id[16], hash_seed[16];
    int r = make_ids(id, hash_seed);

    for (size_t i = 0; i < template->pieces.n && r == 0; i++) {
        Piece piece = template->pieces.v[i];

        if (is_super(&piece)) {
            uint32_t sum;

            memcpy(piece.bytes + SUPER_ID, id, sizeof(id));
            memcpy(piece.bytes + SUPER_HASH_SEED, hash_seed, sizeof(hash_seed));
            sum = htole32(crc32c(piece.bytes, SUPER_CHECKSUM));
            memcpy(piece.bytes + SUPER_CHECKSUM, &sum, sizeof(sum));
        }
        if (pwrite(fd, piece.bytes, PIECE, piece.at) != PIECE)
            r = ERR_ORIGIN(errno ? -errno : -EIO);
    }
    return r;
}

int volume_template_write(int fd, const ImageShape *shape)
{
    int r = TEMPLATE_E_NONE;
    const Template *template;

    hold();
    template = find(shape);
    if (template)
        r = FAULT_POINT("node.volume.template") ? ERR_ORIGIN(-EIO) : write_pieces(fd, template);
    uv_mutex_unlock(&lock);
    if (r == 0 && (FAULT_POINT("node.volume.sync") ? (errno = EIO, -1) : fdatasync(fd)) < 0)
        r = ERR_ORIGIN(-errno);
    return r;
}
