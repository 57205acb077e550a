/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka and what it wants included before itself. */
#ifndef UNIT_BASE_TESTING_H
#define UNIT_BASE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#endif
