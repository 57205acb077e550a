/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of completion indexes, kept as ranges: a job may have millions of indexes, and mostly the
 * lower ones are complete. */
#include "control/job/plan.h"

IndexSet index_set_parse(Arena *arena, const char *text)
{
    IndexSet set = {0};
    size_t cap = 1;

    for (const char *c = str_or(text, ""); *c; c++)
        cap += *c == ',';
    set.v = arena_alloc(arena, sizeof(*set.v) * cap);
    for (const char *at = str_or(text, ""); *at;) {
        char *end;
        long from = strtol(at, &end, 10), to = from;

        if (end == at)
            break; /* a client wrote something that is no set; ignore the rest */
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        if (set.n && set.v[set.n - 1].to + 1 == from)
            set.v[set.n - 1].to = (int32_t)to;
        else
            set.v[set.n++] = (struct IndexRange){(int32_t)from, (int32_t)to};
        at = *end == ',' ? end + 1 : end;
        if (*end && *end != ',')
            break;
    }
    return set;
}

const char *index_set_text(Arena *arena, const IndexSet *set)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < set->n; i++) {
        const struct IndexRange *range = &set->v[i];

        strbuf_printf(&text, "%s%d", i ? "," : "", range->from);
        /* Kubernetes writes a range of two as "3,4". */
        if (range->to > range->from)
            strbuf_printf(&text, "%c%d", range->to == range->from + 1 ? ',' : '-', range->to);
    }
    return arena_strdup(arena, strbuf_string(&text));
}

/* The position of the first range that does not end before the index. */
static size_t range_of(const IndexSet *set, int32_t index)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (set->v[mid].to < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool index_set_has(const IndexSet *set, int32_t index)
{
    size_t i = range_of(set, index);

    return i < set->n && set->v[i].from <= index;
}

int64_t index_set_total(const IndexSet *set)
{
    int64_t total = 0;

    for (size_t i = 0; i < set->n; i++)
        total += (int64_t)set->v[i].to - set->v[i].from + 1;
    return total;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct IndexRange *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

void index_set_add(Arena *arena, IndexSet *set, const int32_t *v, size_t n)
{
    struct IndexRange *all = arena_alloc(arena, sizeof(*all) * (set->n + n + 1));
    size_t last = 0;

    if (n == 0)
        return;
    if (set->n)
        memcpy(all, set->v, set->n * sizeof(*all));
    for (size_t i = 0; i < n; i++)
        all[set->n + i] = (struct IndexRange){v[i], v[i]};
    qsort(all, set->n + n, sizeof(*all), compare_ranges);
    for (size_t i = 1; i < set->n + n; i++) {
        if (all[i].from > all[last].to && all[i].from - 1 > all[last].to)
            all[++last] = all[i];
        else
            all[last].to = MAX_OF(all[last].to, all[i].to);
    }
    *set = (IndexSet){all, last + 1};
}
