/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of characters as sorted ranges, and the sets that have names. */
#include "base/regex/internal.h"

void rune_set_add(Arena *arena, RuneSet *set, uint32_t lo, uint32_t hi)
{
    RuneRange *last = set->n ? &set->v[set->n - 1] : NULL;

    if (last && lo <= last->hi + 1 && last->lo <= hi + 1) {
        last->lo = MIN_OF(last->lo, lo);
        last->hi = MAX_OF(last->hi, hi);
        return;
    }
    ARENA_PUSH(arena, set, (RuneRange){lo, hi});
}

void rune_set_add_set(Arena *arena, RuneSet *set, const RuneSet *other, bool negated)
{
    uint32_t next = 0;

    for (size_t i = 0; i < other->n; i++) {
        if (!negated)
            rune_set_add(arena, set, other->v[i].lo, other->v[i].hi);
        else if (other->v[i].lo > next)
            rune_set_add(arena, set, next, other->v[i].lo - 1);
        next = other->v[i].hi + 1;
    }
    if (negated && next <= RUNE_MAX)
        rune_set_add(arena, set, next, RUNE_MAX);
}

static int compare_ranges(const void *a, const void *b)
{
    const RuneRange *x = a, *y = b;

    return x->lo != y->lo ? (x->lo < y->lo ? -1 : 1) : (x->hi > y->hi ? -1 : x->hi < y->hi);
}

void rune_set_clean(RuneSet *set)
{
    size_t n = 0;

    if (set->n < 2)
        return;
    qsort(set->v, set->n, sizeof(*set->v), compare_ranges);
    for (size_t i = 1; i < set->n; i++) {
        if (set->v[i].lo <= set->v[n].hi + 1)
            set->v[n].hi = MAX_OF(set->v[n].hi, set->v[i].hi);
        else
            set->v[++n] = set->v[i];
    }
    set->n = n + 1;
}

void rune_set_negate(Arena *arena, RuneSet *set)
{
    RuneSet negated = {0};

    rune_set_add_set(arena, &negated, set, true);
    *set = negated;
}

/* ---- Unicode ---- */

static uint32_t read_number(const char **at)
{
    uint32_t v = 0, bits;
    int shift = 0;

    do {
        bits = (uint32_t)(**at == '!' ? '\\' : **at) - 48;
        (*at)++;
        v |= (bits & 31) << shift;
        shift += 5;
    } while (bits & 32);
    return v;
}

static bool rune_set_has(const RuneSet *set, uint32_t rune)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (rune > set->v[middle].hi)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->n && rune >= set->v[low].lo;
}

/* The folding leads in a circle through all characters that differ in case only, and no circle has more than four. */
enum { FOLD_CIRCLE_MAX = 4 };

void rune_set_fold(Arena *arena, RuneSet *set)
{
    RuneSet before, added = {0};

    for (int pass = 1; pass < FOLD_CIRCLE_MAX; pass++) {
        const char *at = unicode_folding.text;
        uint32_t first = 0;

        before = *set;
        added = (RuneSet){0};
        while (*at) {
            uint32_t n, stride, zigzag, distance;

            first += read_number(&at);
            n = read_number(&at);
            stride = read_number(&at);
            zigzag = read_number(&at);
            distance = zigzag & 1 ? -(zigzag / 2 + 1) : zigzag / 2;
            for (uint32_t i = 0, rune = first; i <= n; i++, rune += stride)
                if (rune_set_has(&before, rune) && !rune_set_has(&before, rune + distance))
                    rune_set_add(arena, &added, rune + distance, rune + distance);
        }
        if (added.n == 0)
            return;
        rune_set_add_set(arena, set, &added, false);
        rune_set_clean(set);
    }
}

static void read_set(Arena *arena, const char *text, RuneSet *ret)
{
    uint32_t at = 0;

    while (*text) {
        uint32_t lo = at + read_number(&text), hi = lo + read_number(&text);

        rune_set_add(arena, ret, lo, hi);
        at = hi + 1;
    }
}

static const char *find_text(const UnicodeText *v, size_t n, const char *name)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, v[middle].name);

        if (order == 0)
            return v[middle].text;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool rune_set_unicode(Arena *arena, const char *name, size_t n, RuneSet *ret, bool *ret_negated)
{
    char canonical[64];
    size_t length = 0;
    const char *text;

    *ret = (RuneSet){0};
    *ret_negated = false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        if (c == '_' || c == '-' || c == ' ')
            continue;
        if (length + 1 == sizeof(canonical))
            return false;
        if (length == 0 && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (length > 0 && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        canonical[length++] = c;
    }
    canonical[length] = 0;
    if (str_equal(canonical, "Any")) {
        rune_set_add(arena, ret, 0, RUNE_MAX);
        return true;
    }
    if (str_equal(canonical, "Ascii")) {
        rune_set_add(arena, ret, 0, 0x7f);
        return true;
    }
    *ret_negated = str_equal(canonical, "Assigned");
    text = find_text(unicode_sets, unicode_sets_n, *ret_negated ? "Cn" : canonical);
    if (!text) {
        const char *alias = find_text(unicode_aliases, unicode_aliases_n, canonical);

        text = alias ? find_text(unicode_sets, unicode_sets_n, alias) : NULL;
    }
    if (!text)
        return false;
    read_set(arena, text, ret);
    return true;
}

/* ---- sets with short names: pairs of first and last character ---- */

static void add_pairs(Arena *arena, const char *pairs, RuneSet *ret)
{
    *ret = (RuneSet){0};
    for (; *pairs; pairs += 2)
        rune_set_add(arena, ret, (uint8_t)pairs[0], (uint8_t)pairs[1]);
}

bool rune_set_perl(Arena *arena, char letter, RuneSet *ret)
{
    static const struct {
        char letter;
        const char *pairs;
    } sets[] = {{'d', "09"}, {'s', "\t\n\f\r  "}, {'w', "09AZ__az"}};

    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (sets[i].letter == letter) {
            add_pairs(arena, sets[i].pairs, ret);
            return true;
        }
    return false;
}

bool rune_set_posix(Arena *arena, const char *name, size_t n, RuneSet *ret)
{
    static const struct {
        const char *name, *pairs;
    } sets[] = {
        {"alnum", "09AZaz"},  {"alpha", "AZaz"},     {"ascii", ""},       {"blank", "\t\t  "},
        {"cntrl", ""},        {"digit", "09"},       {"graph", "!~"},     {"lower", "az"},
        {"print", " ~"},      {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"},
        {"word", "09AZ__az"}, {"xdigit", "09AFaf"},
    };

    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (strlen(sets[i].name) == n && memcmp(sets[i].name, name, n) == 0) {
            add_pairs(arena, sets[i].pairs, ret);
            if (str_equal(sets[i].name, "ascii"))
                rune_set_add(arena, ret, 0, 0x7f);
            if (str_equal(sets[i].name, "cntrl")) {
                rune_set_add(arena, ret, 0, 0x1f);
                rune_set_add(arena, ret, 0x7f, 0x7f);
            }
            return true;
        }
    return false;
}
