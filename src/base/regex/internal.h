/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a regular expression: its text is parsed to a tree of nodes (parse.c, classes.c for sets of characters), which is
 * compiled to a program for a machine that follows all alternatives at once (compile.c). Where possible the program becomes a
 * table of states, too (dfa.c). match.c runs either of them.
 */
#ifndef BASE_REGEX_INTERNAL_H
#define BASE_REGEX_INTERNAL_H

#include "base/regex/regex.h"

enum {
    RUNE_MAX = 0x10ffff,
    REGEX_DEPTH_MAX = 1000,     /* of nested groups and repetitions, as in Go */
    REGEX_REPEAT_MAX = 1000,    /* of {n,m}, as in Go; also of nested ones together */
    REGEX_PROGRAM_MAX = 50000,  /* instructions */
    REGEX_RANGES_MAX = 200000,  /* of all character classes of an expression */
    REGEX_STEPS_MAX = 20000000, /* of a match: about a tenth of a second */
};

/* ---- sets of characters ---- */

typedef struct RuneRange {
    uint32_t lo, hi;
} RuneRange;

typedef struct RuneSet {
    RuneRange *v;
    size_t n, cap;
} RuneSet;

typedef struct UnicodeText { /* see tools/unicode_tables/main.go */
    const char *name;
    const char *text;
} UnicodeText;

extern const UnicodeText unicode_sets[], unicode_aliases[], unicode_folding;
extern const size_t unicode_sets_n, unicode_aliases_n;

void rune_set_add(Arena *arena, RuneSet *set, uint32_t lo, uint32_t hi);
void rune_set_add_set(Arena *arena, RuneSet *set, const RuneSet *other, bool negated);
void rune_set_clean(RuneSet *set); /* sorts and merges; the operations below need it */
void rune_set_negate(Arena *arena, RuneSet *set);
void rune_set_fold(Arena *arena, RuneSet *set); /* adds what differs in case only */
/* The set \d, \s or \w, or the one of [:name:]; false: there is none. */
bool rune_set_perl(Arena *arena, char letter, RuneSet *ret);
bool rune_set_posix(Arena *arena, const char *name, size_t n, RuneSet *ret);
/* The set of \p{name}. */
bool rune_set_unicode(Arena *arena, const char *name, size_t n, RuneSet *ret, bool *ret_negated);

/* ---- the tree ---- */

typedef enum NodeKind {
    NODE_EMPTY,
    NODE_SET,
    NODE_ASSERT,
    NODE_CONCAT,
    NODE_ALTERNATE,
    NODE_REPEAT
} NodeKind;

typedef enum RegexAssert {
    ASSERT_BEGIN_TEXT = 1 << 0,
    ASSERT_END_TEXT = 1 << 1,
    ASSERT_BEGIN_LINE = 1 << 2,
    ASSERT_END_LINE = 1 << 3,
    ASSERT_WORD = 1 << 4,
    ASSERT_NO_WORD = 1 << 5,
} RegexAssert;

typedef struct Node Node;
struct Node {
    NodeKind kind;
    RegexAssert assertion;
    RuneSet set;
    int min, max; /* of a repetition; max -1: no end */
    bool lazy;
    bool nullable; /* may match the empty text */
    int height;
    struct {
        Node **v;
        size_t n, cap;
    } subs;
};

/* NULL with *ret_error. The tree lies in the arena. */
Node *regex_parse(Arena *arena, const char *text, size_t n, const char **ret_error);
const char *regex_error(Arena *arena, const char *what, const char *where, size_t n);

/* ---- the program ---- */

typedef enum InstKind { INST_SET, INST_SPLIT, INST_JUMP, INST_ASSERT, INST_MATCH } InstKind;

typedef struct Inst {
    uint8_t kind;
    uint8_t assertion;
    uint32_t x, y; /* SPLIT: x is preferred; JUMP: x; SET: x is its index */
} Inst;

typedef struct InstSet {
    uint64_t ascii[2];
    const RuneRange *v; /* those from 0x80 on */
    size_t n;
} InstSet;

enum { DFA_DEAD = 0, DFA_START = 1 };

typedef struct Dfa {
    uint8_t ascii[128];      /* the class of a character */
    const uint32_t *borders; /* where the classes of other characters begin, sorted */
    const uint8_t *border_class;
    size_t n_borders, n_classes;
    const uint16_t *next; /* [state * n_classes + class]; the state 0 has no way to a match */
    const uint8_t *accepts;
} Dfa;

enum { DFA_ACCEPTS = 1, DFA_ACCEPTS_AT_END = 2 };

struct Regex {
    const Inst *program;
    size_t n;
    const InstSet *sets;
    size_t n_sets;
    bool anchored;  /* can only match at the begin of the text */
    const Dfa *dfa; /* or NULL */
};

static inline bool inst_set_has(const InstSet *set, uint32_t rune)
{
    size_t low = 0, high = set->n;

    if (rune < 128)
        return set->ascii[rune >> 6] >> (rune & 63) & 1;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (rune > set->v[middle].hi)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->n && rune >= set->v[low].lo;
}

const Dfa *regex_make_dfa(Arena *arena, const Regex *regex);

#endif
