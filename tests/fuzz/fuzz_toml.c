/* SPDX-License-Identifier: Apache-2.0 */
/* A document is refused with a line and a message, or becomes a tree whose keys are unique. */
#include "codec/toml/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t check(const TomlValue *v)
{
    size_t n = 1;

    ASSERT((v->kind != TOML_STRING && v->kind != TOML_OTHER) || v->text);
    for (const TomlValue *m = v->first; m; m = m->next) {
        ASSERT((v->kind == TOML_TABLE) == (m->key != NULL));
        ASSERT(v->kind != TOML_TABLE || toml_get(v, m->key) == m);
        n += check(m);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _arena_ Arena arena = ARENA_INIT;
    TomlReport report;
    TomlValue *root;

    if (toml_parse(&arena, (const char *)data, size, &root, &report))
        ASSERT(report.message && report.line > 0);
    else
        ASSERT(check(root) <= TOML_VALUES_MAX + 1);
    return 0;
}
