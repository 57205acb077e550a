/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See bolt.h. The file format, all numbers little-endian:
 *
 *   page     id u64, flags u16 (1 branch, 2 leaf, 4 meta), count u16, overflow u32 (further pages that belong to it), elements
 *   branch   elements of: pos u32 (of the key, from the element), key size u32, page u64
 *   leaf     elements of: flags u32 (1: bucket), pos u32, key size u32, value size u32; the value follows the key
 *   meta     magic u32, version u32 (2), page size u32, flags u32, root page u64, sequence u64, free list u64, pages u64,
 *            transaction u64, FNV-1a of what is before it u64
 *   bucket   as a value: root page u64, sequence u64, and if the root is 0 a page
 */
#include "image/local/bolt.h"

#include "base/files/file.h"

#define PAGE_HEADER 16
#define ELEMENT 16
#define META_BYTES 64
#define MAGIC 0xED0CDAEDu
#define VERSION 2
#define BRANCH 1
#define LEAF 2
#define DEPTH_MAX 32
#define ATTEMPTS 8

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* ---- the file ---- */

static uint64_t fnv1a(const uint8_t *p, size_t n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool read_meta(const uint8_t *p, size_t n, size_t at, Bolt *ret, uint64_t *ret_transaction)
{
    const uint8_t *meta = p + at + PAGE_HEADER;

    if (n < PAGE_HEADER + META_BYTES || at > n - PAGE_HEADER - META_BYTES || get32(meta) != MAGIC ||
        get32(meta + 4) != VERSION || fnv1a(meta, META_BYTES - 8) != get64(meta + META_BYTES - 8))
        return false;
    ret->page_size = get32(meta + 8);
    ret->root = get64(meta + 16);
    *ret_transaction = get64(meta + 48);
    return ret->page_size >= 512 && ret->page_size <= 1u << 20 &&
           (ret->page_size & (ret->page_size - 1)) == 0;
}

/* Finds the newer one of the valid meta pages. The second one lies a page behind the first one,
 * which may be damaged, so its place is tried for each page size. */
static bool find_meta(const uint8_t *p, size_t n, Bolt *ret, uint64_t *ret_transaction)
{
    Bolt second;
    uint64_t transaction;
    bool found = read_meta(p, n, 0, ret, ret_transaction);

    for (size_t at = 512; at <= 1u << 20; at *= 2) {
        if (!read_meta(p, n, at, &second, &transaction) || second.page_size != at ||
            (found && transaction <= *ret_transaction))
            continue;
        ret->page_size = second.page_size;
        ret->root = second.root;
        *ret_transaction = transaction;
        found = true;
    }
    return found;
}

int bolt_take(uint8_t *p, size_t n, Bolt *ret, Err *reterr)
{
    uint64_t transaction;

    *ret = (Bolt){.p = p, .n = n};
    if (find_meta(p, n, ret, &transaction))
        return 0;
    bolt_close(ret);
    return err_set(reterr, 0, "it is no BoltDB file");
}

int bolt_open(const char *path, Bolt *ret, Err *reterr)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        _free_ char *again = NULL;
        char *text = NULL;
        size_t n = 0, n_again = 0;
        uint64_t before = 0, after = 1;
        Bolt ignored;
        int r = file_read(path, BOLT_BYTES_MAX, &text, &n);

        if (r < 0)
            return err_set(reterr, -r, "read %s", path);
        r = bolt_take((uint8_t *)text, n, ret, reterr);
        if (r < 0)
            return err_wrap(reterr, "%s", path);
        r = file_read(path, BOLT_BYTES_MAX, &again, &n_again);
        if (r >= 0 && find_meta(ret->p, ret->n, &ignored, &before) &&
            find_meta((uint8_t *)again, n_again, &ignored, &after) && before == after)
            return 0;
        bolt_close(ret);
    }
    return err_set(reterr, EAGAIN, "%s changes all the time", path);
}

void bolt_close(Bolt *bolt)
{
    free(bolt->p);
    *bolt = (Bolt){0};
}

/* ---- pages ---- */

typedef struct Page {
    const uint8_t *p; /* its header */
    size_t n;         /* with all that belongs to it */
    unsigned flags, count;
} Page;

static bool take_page(Bytes bytes, Page *ret)
{
    if (bytes.n < PAGE_HEADER)
        return false;
    *ret = (Page){bytes.p, bytes.n, get16(bytes.p + 8), get16(bytes.p + 10)};
    return (size_t)ret->count * ELEMENT <= bytes.n - PAGE_HEADER;
}

static bool find_page(const BoltBucket *in, uint64_t id, Page *ret)
{
    const Bolt *bolt = in->bolt;
    uint64_t pages = bolt->n / bolt->page_size, size;
    const uint8_t *p;

    if (id == 0)
        return take_page(in->bytes, ret);
    if (id >= pages)
        return false;
    p = bolt->p + id * bolt->page_size;
    size = get32(p + 12);
    if (size >= pages - id)
        return false;
    return take_page((Bytes){p, (size + 1) * bolt->page_size}, ret);
}

/* Checks that the n bytes at the offset `at` from the element are within the page. */
static bool element_bytes(const Page *page, size_t element, uint64_t at, uint64_t n, Bytes *ret)
{
    uint64_t start = PAGE_HEADER + (uint64_t)element * ELEMENT + at;

    if (start > page->n || n > page->n - start)
        return false;
    *ret = (Bytes){page->p + start, (size_t)n};
    return true;
}

typedef struct Element {
    Bytes key, value;
    bool is_bucket;
    uint64_t child; /* of a branch */
} Element;

static bool get_element(const Page *page, size_t i, Element *ret)
{
    const uint8_t *p = page->p + PAGE_HEADER + i * ELEMENT;

    *ret = (Element){0};
    if (page->flags & BRANCH) {
        ret->child = get64(p + 8);
        return ret->child != 0 && element_bytes(page, i, get32(p), get32(p + 4), &ret->key);
    }
    ret->is_bucket = get32(p) & 1;
    return element_bytes(page, i, get32(p + 4), get32(p + 8), &ret->key) &&
           element_bytes(page, i, (uint64_t)get32(p + 4) + get32(p + 8), get32(p + 12),
                         &ret->value);
}

/* ---- the tree ---- */

typedef bool (*ElementEach)(void *data, const Element *element);

/* Returns false if the walk has to end, because `each` returned false or the tree is damaged.
 * *left is the number of pages that may still be visited. */
static bool walk(const BoltBucket *in, uint64_t id, int depth, uint64_t *left, ElementEach each,
                 void *data)
{
    Page page;

    if (depth > DEPTH_MAX || (*left)-- == 0 || !find_page(in, id, &page) ||
        !(page.flags & (BRANCH | LEAF)))
        return false;
    for (size_t i = 0; i < page.count; i++) {
        Element element;

        if (!get_element(&page, i, &element) ||
            !(element.child ? walk(in, element.child, depth + 1, left, each, data)
                            : each(data, &element)))
            return false;
    }
    return true;
}

static void walk_all(const BoltBucket *in, ElementEach each, void *data)
{
    uint64_t left = in->bolt->n / in->bolt->page_size + 1;

    (void)walk(in, in->page, 0, &left, each, data);
}

typedef struct Search {
    Bytes key;
    bool found;
    Element element;
} Search;

static bool compare(void *data, const Element *element)
{
    Search *search = data;

    search->found = element->key.n == search->key.n &&
                    memcmp(element->key.p, search->key.p, element->key.n) == 0;
    if (search->found)
        search->element = *element;
    return !search->found;
}

/* Buckets of image databases have a few hundred keys, so a linear search is fast enough. */
static bool find(const BoltBucket *in, const char *key, Element *ret)
{
    Search search = {.key = bytes_from_string(key)};

    walk_all(in, compare, &search);
    *ret = search.element;
    return search.found;
}

BoltBucket bolt_root(const Bolt *bolt)
{
    return (BoltBucket){.bolt = bolt, .page = bolt->root};
}

bool bolt_bucket(const BoltBucket *in, const char *name, BoltBucket *ret)
{
    Element element;

    if (!find(in, name, &element) || !element.is_bucket || element.value.n < PAGE_HEADER)
        return false;
    *ret = (BoltBucket){.bolt = in->bolt,
                        .page = get64(element.value.p),
                        .bytes = {element.value.p + PAGE_HEADER, element.value.n - PAGE_HEADER}};
    return true;
}

bool bolt_get(const BoltBucket *in, const char *key, Bytes *ret)
{
    Element element;

    if (!find(in, key, &element) || element.is_bucket)
        return false;
    *ret = element.value;
    return true;
}

typedef struct EachCall {
    bool (*each)(void *data, Bytes key, bool is_bucket);
    void *data;
} EachCall;

static bool pass_on(void *data, const Element *element)
{
    EachCall *call = data;

    return call->each(call->data, element->key, element->is_bucket);
}

void bolt_each(const BoltBucket *in, bool (*each)(void *data, Bytes key, bool is_bucket),
               void *data)
{
    EachCall call = {each, data};

    walk_all(in, pass_on, &call);
}
