/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign texts in messages of ours. */
#ifndef REGISTRY_TRANSPORT_TEXT_H
#define REGISTRY_TRANSPORT_TEXT_H

#include "base/base.h"

/* Copies at most n bytes of text so that they fit, with blanks for control characters, "?" for what
 * is not UTF-8, and "..." for what is cut off. */
void text_quote(char *to, size_t size, const char *text, size_t n);

#endif
