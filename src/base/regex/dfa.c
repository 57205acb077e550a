/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program as a table of states, for programs that have few: nearly all patterns that people write into schemas. A state is the set of
 * instructions that the machine of match.c would be at, so a match only looks up the next state for each character. The table
 * is made when the expression is compiled, in bounded time, so a match changes nothing and needs no memory.
 *
 * Characters that all sets of the program treat alike are one class, so that a row is short.
 */
#include "base/regex/internal.h"
#include "base/text_map.h"

enum {
    DFA_CLASSES_MAX = 200,
    DFA_STATES_MAX = 1000,
    DFA_CELLS_MAX = 16384,
    DFA_PROGRAM_MAX = 2000,
    DFA_STEPS_MAX = 400000,
};

typedef struct State {
    uint32_t *at; /* instructions that take a character, sorted */
    size_t n;
    uint8_t accepts;
} State;

typedef struct Builder {
    Arena *scratch;
    const Regex *regex;
    TextMap known; /* the bytes of State.at to its number plus one */
    struct {
        State *v;
        size_t n, cap;
    } states;
    uint32_t *runes; /* one character of each class */
    size_t n_classes;
    uint32_t *stack, *list;
    uint64_t *seen; /* a bit for each instruction */
    size_t list_n, steps;
    uint8_t accepts;
    bool failed;
} Builder;

static int compare_runes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* The characters at which a set begins or ends, sorted and unique. */
static size_t collect_borders(Arena *scratch, const Regex *regex, uint32_t **ret)
{
    struct {
        uint32_t *v;
        size_t n, cap;
    } all = {0};
    size_t n = 0;

    ARENA_PUSH(scratch, &all, 0u);
    for (size_t i = 0; i < regex->n_sets; i++) {
        for (uint32_t rune = 0; rune < 128; rune++)
            if (inst_set_has(&regex->sets[i], rune) !=
                (rune > 0 && inst_set_has(&regex->sets[i], rune - 1)))
                ARENA_PUSH(scratch, &all, rune);
        ARENA_PUSH(scratch, &all, 128u);
        for (size_t r = 0; r < regex->sets[i].n; r++) {
            ARENA_PUSH(scratch, &all, regex->sets[i].v[r].lo);
            ARENA_PUSH(scratch, &all, regex->sets[i].v[r].hi + 1);
        }
        if (all.n > 100000)
            return SIZE_MAX;
    }
    qsort(all.v, all.n, sizeof(*all.v), compare_runes);
    for (size_t i = 1; i < all.n; i++)
        if (all.v[i] != all.v[n])
            all.v[++n] = all.v[i];
    *ret = all.v;
    return n + 1;
}

/* Which sets have the character, as a key. */
static const char *signature(Arena *scratch, const Regex *regex, uint32_t rune)
{
    char *key = arena_alloc(scratch, regex->n_sets / 7 + 1);

    for (size_t i = 0; i < regex->n_sets; i++)
        if (inst_set_has(&regex->sets[i], rune))
            key[i / 7] = (char)(key[i / 7] | 1 << i % 7);
    return key;
}

static bool make_classes(Builder *b, Arena *arena, Dfa *dfa)
{
    TextMap classes = TEXT_MAP_INIT(b->scratch);
    uint32_t *borders;
    size_t n = collect_borders(b->scratch, b->regex, &borders), next = 0,
           limit = 4 * DFA_CLASSES_MAX;
    uint8_t *of_border;

    if (n > limit || b->regex->n_sets > DFA_PROGRAM_MAX)
        return false;
    of_border = arena_new_n(arena, uint8_t, n);
    b->runes = arena_new_n(b->scratch, uint32_t, n);
    for (size_t i = 0; i < n; i++) {
        bool is_new;
        TextMapSlot *slot = text_map_put_n(&classes, signature(b->scratch, b->regex, borders[i]),
                                           b->regex->n_sets / 7 + 1, &is_new);

        if (is_new) {
            if (next == DFA_CLASSES_MAX)
                return false;
            b->runes[next] = borders[i];
            slot->value = (void *)(uintptr_t)next++;
        }
        of_border[i] = (uint8_t)(uintptr_t)slot->value;
    }
    b->n_classes = dfa->n_classes = next;
    for (size_t rune = 0, border = 0; rune < 128; rune++) {
        while (border + 1 < n && borders[border + 1] <= rune)
            border++;
        dfa->ascii[rune] = of_border[border];
    }
    dfa->borders = ARENA_COPY_N(arena, borders, n);
    dfa->border_class = of_border;
    dfa->n_borders = n;
    return true;
}

/* Adds what can be reached from an instruction without taking a character. */
static void follow(Builder *b, uint32_t from, bool at_begin)
{
    const Inst *program = b->regex->program;
    size_t depth = 0;

    b->stack[depth++] = from;
    while (depth > 0) {
        uint32_t at = b->stack[--depth];
        const Inst *inst = &program[at];

        if (b->seen[at / 64] >> at % 64 & 1)
            continue;
        b->seen[at / 64] |= UINT64_C(1) << at % 64;
        b->steps++;
        switch (inst->kind) {
        case INST_SET:
            b->list[b->list_n++] = at;
            break;
        case INST_SPLIT:
            b->stack[depth++] = inst->y;
            b->stack[depth++] = inst->x;
            break;
        case INST_JUMP:
            b->stack[depth++] = inst->x;
            break;
        case INST_MATCH:
            b->accepts |= DFA_ACCEPTS | DFA_ACCEPTS_AT_END;
            break;
        case INST_ASSERT:
            if (inst->assertion == ASSERT_BEGIN_TEXT && at_begin)
                b->stack[depth++] = at + 1;
            else if (inst->assertion == ASSERT_END_TEXT)
                b->list[b->list_n++] = at;
            break;
        }
    }
}

static void begin_list(Builder *b)
{
    memset(b->seen, 0, (b->regex->n / 64 + 1) * sizeof(*b->seen));
    b->list_n = 0;
    b->accepts = 0;
}

/* Whether the list would match if the text ended here. */
static bool matches_at_end(Builder *b, bool at_begin)
{
    uint32_t *ends = arena_new_n(b->scratch, uint32_t, b->list_n + 1);
    size_t n = 0, list_n = b->list_n;
    uint8_t accepts = b->accepts;
    bool matches;

    for (size_t i = 0; i < list_n; i++)
        if (b->regex->program[b->list[i]].kind == INST_ASSERT)
            ends[n++] = b->list[i];
    if (n == 0)
        return accepts;
    /* What is behind one \z may contain another one, which holds here as well. */
    for (size_t i = 0; i < n; i++) {
        size_t before = b->list_n;

        follow(b, ends[i] + 1, at_begin);
        for (size_t k = before; k < b->list_n; k++)
            if (b->regex->program[b->list[k]].kind == INST_ASSERT) {
                uint32_t *more = arena_new_n(b->scratch, uint32_t, n + 1);

                memcpy(more, ends, n * sizeof(*ends));
                more[n++] = b->list[k];
                ends = more;
            }
    }
    matches = b->accepts;
    b->list_n = list_n;
    b->accepts = accepts;
    return matches;
}

/* The number of the state that the list is; makes it where it is new. */
static uint16_t state_of_list(Builder *b, bool at_begin)
{
    uint8_t accepts =
        (uint8_t)(b->accepts | (matches_at_end(b, at_begin) ? DFA_ACCEPTS_AT_END : 0));
    uint32_t *key;
    TextMapSlot *slot;
    bool is_new;

    if (accepts & DFA_ACCEPTS)
        b->list_n = 0; /* the match is known, so what follows does not matter */
    qsort(b->list, b->list_n, sizeof(*b->list), compare_runes);
    key = arena_new_n(b->scratch, uint32_t, b->list_n + 1);
    memcpy(key, b->list, b->list_n * sizeof(*key));
    key[b->list_n] = accepts;
    slot = text_map_put_n(&b->known, (const char *)key, (b->list_n + 1) * sizeof(*key), &is_new);
    if (is_new) {
        if (b->states.n >= DFA_STATES_MAX || (b->states.n + 1) * b->n_classes > DFA_CELLS_MAX)
            b->failed = true;
        ARENA_PUSH(b->scratch, &b->states, (State){key, b->list_n, accepts});
        slot->value = (void *)(uintptr_t)b->states.n;
    }
    return (uint16_t)((uintptr_t)slot->value - 1);
}

static uint16_t step(Builder *b, uint16_t from, uint32_t rune)
{
    State state = b->states.v[from];

    if (state.accepts & DFA_ACCEPTS)
        return from;
    begin_list(b);
    for (size_t i = 0; i < state.n; i++) {
        const Inst *inst = &b->regex->program[state.at[i]];

        b->steps++;
        if (inst->kind == INST_SET && inst_set_has(&b->regex->sets[inst->x], rune))
            follow(b, state.at[i] + 1, false);
    }
    if (!b->regex->anchored)
        follow(b, 0, false); /* a match may begin behind any character */
    return state_of_list(b, false);
}

const Dfa *regex_make_dfa(Arena *arena, const Regex *regex)
{
    _arena_ Arena scratch = ARENA_INIT;
    Builder b = {.scratch = &scratch, .regex = regex, .known = TEXT_MAP_INIT(&scratch)};
    Dfa dfa = {0};
    uint16_t *next;
    uint8_t *accepts;

    if (regex->n > DFA_PROGRAM_MAX)
        return NULL;
    for (size_t i = 0; i < regex->n; i++)
        if (regex->program[i].kind == INST_ASSERT &&
            !(regex->program[i].assertion & (ASSERT_BEGIN_TEXT | ASSERT_END_TEXT)))
            return NULL;
    if (!make_classes(&b, arena, &dfa))
        return NULL;
    b.stack = arena_new_n(&scratch, uint32_t, regex->n + 2);
    b.list = arena_new_n(&scratch, uint32_t, regex->n + 1);
    b.seen = arena_new_n(&scratch, uint64_t, regex->n / 64 + 1);
    begin_list(&b);
    state_of_list(&b, false); /* the dead state */
    follow(&b, 0, true);
    if (state_of_list(&b, true) != DFA_START)
        return NULL; /* it can never match, so there is nothing to speed up */
    next = arena_new_n(&scratch, uint16_t, DFA_CELLS_MAX);
    for (size_t s = 0; s < b.states.n && !b.failed; s++)
        for (size_t i = 0; i < b.n_classes && !b.failed; i++) {
            next[s * b.n_classes + i] = step(&b, (uint16_t)s, b.runes[i]);
            b.failed = b.failed || b.steps > DFA_STEPS_MAX;
        }
    if (b.failed)
        return NULL;
    dfa.next = ARENA_COPY_N(arena, next, b.states.n * b.n_classes);
    accepts = arena_new_n(arena, uint8_t, b.states.n);
    for (size_t s = 0; s < b.states.n; s++)
        accepts[s] = b.states.v[s].accepts;
    dfa.accepts = accepts;
    return arena_copy_n(arena, &dfa, 1, 1, sizeof(dfa));
}
