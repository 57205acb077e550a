/* SPDX-License-Identifier: Apache-2.0 */
/* Label and field selectors: parsing as kube-apiserver does, and matching. */
#ifndef API_SELECTOR_H
#define API_SELECTOR_H

#include "api/kind.h"
#include "api/schema/meta_v1.h"
#include "base/arena.h"
#include "base/strbuf.h"

typedef enum SelectorOp {
    SELECTOR_EQUALS,
    SELECTOR_NOT_EQUALS,
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
    SELECTOR_GREATER,
    SELECTOR_LESS,
} SelectorOp;

typedef struct Requirement {
    const char *key;
    SelectorOp op;
    StringArray values; /* sorted */
} Requirement;

/* All requirements must hold; none means everything. nothing == true matches no object at all. */
typedef struct Selector {
    Requirement *v;
    size_t n;
    bool nothing;
} Selector;

struct LabelSelector;

/* "a=b,c in (d,e),!f"; 0 or a positive outcome with *reterr in kube-apiserver's words. */
int selector_parse_labels(Arena *arena, const char *text, Selector **ret, const char **reterr);
int selector_parse_fields(Arena *arena, const char *text, Selector **ret, const char **reterr);
/* From the API type; NULL selects nothing, an empty one everything. It need not be valid, since
 * objects are matched before they are validated: an operator that does not exist selects nothing. */
Selector *selector_from_api(Arena *arena, const struct LabelSelector *api);
/* From a plain map, as Services have. */
Selector *selector_from_map(Arena *arena, const StringMap *map);

/* As text that selector_parse_labels reads again, in Kubernetes' spelling: "a=b,c in (d,e),!f". */
void selector_print(const Selector *selector, StrBuf *out);

bool selector_matches_labels(const Selector *selector, const StringMap *labels);
/* Fields of this kind: metadata.name and metadata.namespace always, besides what the kind serves
 * (spec.nodeName, status.phase, involvedObject.*, type...). */
bool selector_matches_fields(const Selector *selector, const Object *object);
/* NULL if every field is known for the kind, else the unknown one: `field label not supported:
 * x`. */
const char *selector_unknown_field(const Selector *selector, const Kind *kind);
/* The value that the selector requires the key to equal, or NULL. With it, an object can be looked
 * up by name instead of searching all. */
const char *selector_exact(const Selector *selector, const char *key);

#endif
