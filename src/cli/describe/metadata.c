/* SPDX-License-Identifier: Apache-2.0 */
/* Parts that descriptions of all kinds share: labels, annotations, times, selectors and lists. */
#include <time.h>

#include "base/timefmt.h"
#include "cli/describe/describe.h"

#define ANNOTATION_MAX 140
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

int describe_by_key(const void *a, const void *b)
{
    return strcmp(((const Pair *)a)->key, ((const Pair *)b)->key);
}

Pairs describe_sorted_pairs(yyjson_val *object)
{
    Pairs pairs = VEC_INIT;
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(object, i, n, key, value)
        VEC_PUSH(&pairs, ((Pair){yyjson_get_str(key), str_or(yyjson_get_str(value), "")}));
    if (pairs.n)
        qsort(pairs.v, pairs.n, sizeof(Pair), describe_by_key);
    return pairs;
}

void describe_labels(StrBuf *out, const char *title, yyjson_val *labels)
{
    Pairs pairs = describe_sorted_pairs(labels);

    strbuf_printf(out, "%s:%s", title, pairs.n ? "" : "\t<none>\n");
    for (size_t i = 0; i < pairs.n; i++)
        strbuf_printf(out, "\t%s=%s\n", pairs.v[i].key, pairs.v[i].value);
    VEC_DEINIT(&pairs);
}

static void add_long(StrBuf *out, const Pair *pair)
{
    strbuf_printf(out, "\t%s:\n", pair->key);
    for (const char *at = pair->value; *at;) {
        size_t n = strcspn(at, "\n");
        bool cut = n > ANNOTATION_MAX - 2;

        strbuf_printf(out, "\t  %.*s%s\n", (int)(cut ? ANNOTATION_MAX - 2 : n), at,
                      cut ? "..." : "");
        at += n + (at[n] == '\n');
    }
}

void describe_annotations(StrBuf *out, const char *title, yyjson_val *annotations)
{
    Pairs pairs = describe_sorted_pairs(annotations);
    size_t shown = 0;

    strbuf_printf(out, "%s:", title);
    for (size_t i = 0; i < pairs.n; i++) {
        const Pair *pair = &pairs.v[i];

        if (str_equal(pair->key, LAST_APPLIED))
            continue;
        shown++;
        if (strlen(pair->key) + strlen(pair->value) + 2 > ANNOTATION_MAX ||
            strchr(pair->value, '\n'))
            add_long(out, pair);
        else
            strbuf_printf(out, "\t%s: %s\n", pair->key, pair->value);
    }
    if (!shown)
        strbuf_add_string(out, "\t<none>\n");
    VEC_DEINIT(&pairs);
}

void describe_time(StrBuf *out, const char *label, const char *text)
{
    char buf[64];
    int64_t seconds;
    int32_t nanos;
    time_t when;
    struct tm tm;

    if (timefmt_parse(text, &seconds, &nanos)) {
        strbuf_printf(out, "%s:\t%s\n", label, text);
        return;
    }
    when = (time_t)seconds;
    localtime_r(&when, &tm);
    strftime(buf, sizeof(buf), "%a, %d %b %Y %H:%M:%S %z", &tm);
    strbuf_printf(out, "%s:\t%s\n", label, buf);
}

void describe_selector(StrBuf *out, yyjson_val *labels)
{
    Pairs pairs = describe_sorted_pairs(labels);

    if (!pairs.n)
        strbuf_add_string(out, "<none>");
    for (size_t i = 0; i < pairs.n; i++)
        strbuf_printf(out, "%s%s=%s", i ? "," : "", pairs.v[i].key, pairs.v[i].value);
    VEC_DEINIT(&pairs);
}

void describe_list(StrBuf *out, yyjson_val *array, const char *separator)
{
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(array, i, n, item)
        strbuf_printf(out, "%s%s", i ? separator : "", str_or(yyjson_get_str(item), ""));
}

Keys describe_sorted_keys(yyjson_val *object)
{
    Keys keys = VEC_INIT;
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(object, i, n, key, value) VEC_PUSH(&keys, yyjson_get_str(key));
    str_sort(keys.v, keys.n);
    return keys;
}
