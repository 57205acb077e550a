/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program over a text. A thread is an instruction, and where its match began. All threads advance together, one character at a
 * time, in the order of their precedence, and no two are at the same instruction, so a step takes at most as long as the
 * program is.
 */
#include "base/regex/internal.h"
#include "base/utf8.h"

typedef struct Thread {
    uint32_t at;
    size_t begin;
} Thread;

typedef struct Threads {
    Thread *v;
    size_t n;
} Threads;

typedef struct Machine {
    const Regex *regex;
    Threads now, next;
    uint32_t *seen; /* by instruction: the generation that has a thread there */
    uint32_t generation;
    uint32_t *stack;
    size_t steps;
} Machine;

static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

#define NO_RUNE UINT32_MAX

/* The assertions that hold between two characters. */
static unsigned assertions_between(uint32_t before, uint32_t after)
{
    unsigned held = 0;

    if (before == NO_RUNE)
        held |= ASSERT_BEGIN_TEXT | ASSERT_BEGIN_LINE;
    if (before == '\n')
        held |= ASSERT_BEGIN_LINE;
    if (after == NO_RUNE)
        held |= ASSERT_END_TEXT | ASSERT_END_LINE;
    if (after == '\n')
        held |= ASSERT_END_LINE;
    return held | (is_word(before) != is_word(after) ? ASSERT_WORD : ASSERT_NO_WORD);
}

/* Adds a thread, or what it becomes by instructions that take no character. */
static void add_thread(Machine *m, Threads *to, uint32_t at, size_t begin, unsigned held)
{
    const Inst *program = m->regex->program;
    size_t depth = 0;

    m->stack[depth++] = at;
    while (depth > 0) {
        at = m->stack[--depth];
        if (m->seen[at] == m->generation)
            continue;
        m->seen[at] = m->generation;
        m->steps++;
        switch (program[at].kind) {
        case INST_SPLIT:
            m->stack[depth++] = program[at].y;
            m->stack[depth++] = program[at].x;
            break;
        case INST_JUMP:
            m->stack[depth++] = program[at].x;
            break;
        case INST_ASSERT:
            if (program[at].assertion & held)
                m->stack[depth++] = at + 1;
            break;
        default:
            to->v[to->n++] = (Thread){at, begin};
        }
    }
}

/* Advances all threads over a character that ends at `end`. True: one of them has matched before it. */
static bool step(Machine *m, uint32_t rune, size_t at, unsigned held_behind, RegexSpan *ret)
{
    m->next.n = 0;
    m->generation++;
    for (size_t i = 0; i < m->now.n; i++) {
        const Thread *thread = &m->now.v[i];
        const Inst *inst = &m->regex->program[thread->at];

        m->steps++;
        if (inst->kind == INST_MATCH) {
            *ret = (RegexSpan){thread->begin, at};
            return true; /* those that follow have less precedence */
        }
        if (rune != NO_RUNE && inst_set_has(&m->regex->sets[inst->x], rune))
            add_thread(m, &m->next, thread->at + 1, thread->begin, held_behind);
    }
    return false;
}

static uint32_t rune_at(const char *text, size_t n, size_t at, size_t *ret_length)
{
    uint32_t rune;

    *ret_length = 0;
    if (at >= n)
        return NO_RUNE;
    *ret_length = utf8_decode((const uint8_t *)text + at, n - at, &rune);
    return rune;
}

static uint32_t rune_before(const char *text, size_t at)
{
    size_t from = at, length;
    uint32_t rune;

    if (at == 0)
        return NO_RUNE;
    do
        from--;
    while (from > 0 && at - from < 4 && ((uint8_t)text[from] & 0xc0) == 0x80);
    rune = rune_at(text, at, from, &length);
    return from + length == at ? rune : UTF8_REPLACEMENT;
}

static int run(Machine *m, const char *text, size_t n, size_t from, bool any, RegexSpan *ret)
{
    size_t at = from, length, length_after;
    uint32_t rune = rune_at(text, n, at, &length), after;
    unsigned held = assertions_between(rune_before(text, at), rune);
    bool found = false;

    m->generation = 1;
    for (;;) {
        Threads swap;

        if (!found && !(m->regex->anchored && at > 0))
            add_thread(m, &m->now, 0, at, held);
        if (m->now.n == 0 && (found || m->regex->anchored))
            break;
        after = rune_at(text, n, at + length, &length_after);
        held = assertions_between(rune, after);
        found |= step(m, rune, at, held, ret);
        if ((found && any) || rune == NO_RUNE)
            break;
        if (m->steps > REGEX_STEPS_MAX)
            return REGEX_E_WORK;
        swap = m->now;
        m->now = m->next;
        m->next = swap;
        at += length;
        rune = after;
        length = length_after;
    }
    return found ? 0 : REGEX_E_NONE;
}

static int search(const Regex *regex, const char *text, size_t n, size_t from, bool any,
                  RegexSpan *ret)
{
    char room[4096];
    _arena_ Arena arena = ARENA_INIT_ROOM(room);
    Machine m = {.regex = regex};

    m.now.v = arena_new_n(&arena, Thread, regex->n);
    m.next.v = arena_new_n(&arena, Thread, regex->n);
    m.seen = arena_new_n(&arena, uint32_t, regex->n);
    m.stack = arena_new_n(&arena, uint32_t, regex->n + 2);
    return run(&m, text, n, from, any, ret);
}

/* ---- tables of states ---- */

static size_t class_of(const Dfa *dfa, uint32_t rune)
{
    size_t low = 0, high = dfa->n_borders;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (dfa->borders[middle] <= rune)
            low = middle;
        else
            high = middle;
    }
    return dfa->border_class[low];
}

static int test_dfa(const Dfa *dfa, const uint8_t *text, size_t n)
{
    size_t state = DFA_START;

    for (size_t at = 0; at < n && state != DFA_DEAD && !(dfa->accepts[state] & DFA_ACCEPTS);) {
        uint32_t rune = text[at];

        if (rune < 128) {
            at++;
            state = dfa->next[state * dfa->n_classes + dfa->ascii[rune]];
        } else {
            at += utf8_decode(text + at, n - at, &rune);
            state = dfa->next[state * dfa->n_classes + class_of(dfa, rune)];
        }
    }
    /* A state of which DFA_ACCEPTS is true has DFA_ACCEPTS_AT_END, too, so the end may be anywhere. */
    return dfa->accepts[state] & DFA_ACCEPTS_AT_END ? 0 : REGEX_E_NONE;
}

int regex_test(const Regex *regex, const char *text, size_t n)
{
    RegexSpan span;

    if (regex->dfa)
        return test_dfa(regex->dfa, (const uint8_t *)text, n);
    return search(regex, text, n, 0, true, &span);
}

int regex_find(const Regex *regex, const char *text, size_t n, size_t from, RegexSpan *ret)
{
    return search(regex, text, n, from, false, ret);
}
