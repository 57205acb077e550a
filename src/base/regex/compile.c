/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of an expression to a program. A repetition with counts becomes copies of what it repeats, so the length of the program is
 * what has to be bounded.
 */
#include "base/regex/internal.h"

typedef struct Compiler {
    Arena *arena; /* of the result */
    Arena *scratch;
    struct {
        Inst *v;
        size_t n, cap;
    } code;
    struct {
        InstSet *v;
        size_t n, cap;
    } sets;
    bool too_large;
} Compiler;

static size_t emit(Compiler *c, InstKind kind, uint32_t x, uint32_t y)
{
    if (c->code.n >= REGEX_PROGRAM_MAX) {
        c->too_large = true;
        return 0;
    }
    ARENA_PUSH(c->scratch, &c->code, (Inst){.kind = (uint8_t)kind, .x = x, .y = y});
    return c->code.n - 1;
}

static uint32_t here(const Compiler *c)
{
    return (uint32_t)c->code.n;
}

/* The two ways of a split, of which the first one is preferred. */
static void set_split(Compiler *c, size_t at, uint32_t into, uint32_t past, bool lazy)
{
    if (c->too_large)
        return;
    c->code.v[at].x = lazy ? past : into;
    c->code.v[at].y = lazy ? into : past;
}

static InstSet make_set(Compiler *c, const RuneSet *from)
{
    InstSet set = {0};
    RuneRange *v = arena_new_n(c->arena, RuneRange, from->n + 1);

    set.v = v;
    for (size_t i = 0; i < from->n; i++) {
        uint32_t lo = from->v[i].lo, hi = from->v[i].hi;

        for (uint32_t rune = lo; rune <= hi && rune < 128; rune++)
            set.ascii[rune >> 6] |= UINT64_C(1) << (rune & 63);
        if (hi >= 128)
            v[set.n++] = (RuneRange){MAX_OF(lo, 128u), hi};
    }
    return set;
}

/* A node that is repeated keeps the index of its set in `max`, so that its copies share it. */
static void compile_set(Compiler *c, Node *node)
{
    if (!node->max) {
        ARENA_PUSH(c->scratch, &c->sets, make_set(c, &node->set));
        node->max = (int)c->sets.n;
    }
    emit(c, INST_SET, (uint32_t)node->max - 1, 0);
}

static void compile_assert(Compiler *c, const Node *node)
{
    size_t at = emit(c, INST_ASSERT, 0, 0);

    if (!c->too_large)
        c->code.v[at].assertion = (uint8_t)node->assertion;
}

static void compile_node(Compiler *c, Node *node);

/* x+, which is also the loop of x*. */
static void compile_plus(Compiler *c, Node *sub, bool lazy)
{
    uint32_t begin = here(c);
    size_t split;

    compile_node(c, sub);
    split = emit(c, INST_SPLIT, 0, 0);
    set_split(c, split, begin, here(c), lazy);
}

static void compile_star(Compiler *c, Node *sub, bool lazy)
{
    size_t split = emit(c, INST_SPLIT, 0, 0);

    /* What may match nothing has to be (x+)?, or an empty pass would have precedence over leaving the loop. */
    if (sub->nullable) {
        compile_plus(c, sub, lazy);
    } else {
        compile_node(c, sub);
        emit(c, INST_JUMP, (uint32_t)split, 0);
    }
    set_split(c, split, (uint32_t)split + 1, here(c), lazy);
}

/* n times an optional x, each within the one before it: (x(x(x)?)?)?. */
static void compile_optional(Compiler *c, Node *sub, int n, bool lazy)
{
    size_t *splits = arena_new_n(c->scratch, size_t, (size_t)n + 1);

    for (int i = 0; i < n && !c->too_large; i++) {
        splits[i] = emit(c, INST_SPLIT, 0, 0);
        compile_node(c, sub);
    }
    for (int i = 0; i < n && !c->too_large; i++)
        set_split(c, splits[i], (uint32_t)splits[i] + 1, here(c), lazy);
}

static void compile_repeat(Compiler *c, Node *node)
{
    Node *sub = node->subs.v[0];
    int copies = node->max < 0 ? MAX_OF(node->min - 1, 0) : node->min;

    /* Repeating what takes no character changes nothing after the first time. */
    if (sub->kind == NODE_CONCAT && sub->subs.n == 0)
        return;
    for (int i = 0; i < copies && !c->too_large; i++)
        compile_node(c, sub);
    if (node->max >= 0)
        compile_optional(c, sub, node->max - node->min, node->lazy);
    else if (node->min == 0)
        compile_star(c, sub, node->lazy);
    else
        compile_plus(c, sub, node->lazy);
}

static void compile_alternate(Compiler *c, Node *node)
{
    size_t *jumps = arena_new_n(c->scratch, size_t, node->subs.n);

    for (size_t i = 0; i < node->subs.n && !c->too_large; i++) {
        bool last = i + 1 == node->subs.n;
        size_t split = last ? 0 : emit(c, INST_SPLIT, here(c) + 1, 0);

        compile_node(c, node->subs.v[i]);
        if (last || c->too_large)
            continue;
        jumps[i] = emit(c, INST_JUMP, 0, 0);
        c->code.v[split].y = here(c);
    }
    for (size_t i = 0; i + 1 < node->subs.n && !c->too_large; i++)
        c->code.v[jumps[i]].x = here(c);
}

static void compile_node(Compiler *c, Node *node)
{
    if (c->too_large)
        return;
    switch (node->kind) {
    case NODE_EMPTY:
        return;
    case NODE_SET:
        compile_set(c, node);
        return;
    case NODE_ASSERT:
        compile_assert(c, node);
        return;
    case NODE_CONCAT:
        for (size_t i = 0; i < node->subs.n; i++)
            compile_node(c, node->subs.v[i]);
        return;
    case NODE_ALTERNATE:
        compile_alternate(c, node);
        return;
    case NODE_REPEAT:
        compile_repeat(c, node);
        return;
    }
}

/* Whether every match begins with \A. */
static bool is_anchored(const Node *node)
{
    switch (node->kind) {
    case NODE_ASSERT:
        return node->assertion == ASSERT_BEGIN_TEXT;
    case NODE_CONCAT:
        return node->subs.n > 0 && is_anchored(node->subs.v[0]);
    case NODE_ALTERNATE:
        for (size_t i = 0; i < node->subs.n; i++)
            if (!is_anchored(node->subs.v[i]))
                return false;
        return true;
    case NODE_REPEAT:
        return node->min > 0 && is_anchored(node->subs.v[0]);
    default:
        return false;
    }
}

const Regex *regex_compile(Arena *arena, const char *text, size_t n, RegexUse use,
                           const char **ret_error)
{
    _arena_ Arena scratch = ARENA_INIT;
    Compiler c = {.arena = arena, .scratch = &scratch};
    Node *node = regex_parse(&scratch, text, n, ret_error);
    Regex *regex;

    if (!node) {
        *ret_error = arena_strdup(arena, *ret_error);
        return NULL;
    }
    compile_node(&c, node);
    emit(&c, INST_MATCH, 0, 0);
    if (c.too_large) {
        *ret_error = regex_error(arena, "expression too large", text, n);
        return NULL;
    }
    regex = arena_new(arena, Regex);
    regex->program = ARENA_COPY_N(arena, c.code.v, c.code.n);
    regex->n = c.code.n;
    regex->sets = ARENA_COPY_N(arena, c.sets.v, c.sets.n);
    regex->n_sets = c.sets.n;
    regex->anchored = is_anchored(node);
    if (use == REGEX_OFTEN)
        regex->dfa = regex_make_dfa(arena, regex);
    return regex;
}
