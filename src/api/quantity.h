/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities are part of what decoders canonicalize, so they live with the codecs. */
#ifndef API_QUANTITY_H
#define API_QUANTITY_H

#include "codec/quantity.h"

#endif
