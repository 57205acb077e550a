/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders make quantities canonical, so they are part of codec/. */
#ifndef API_QUANTITY_H
#define API_QUANTITY_H

#include "codec/quantity.h"

#endif
