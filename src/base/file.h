/* SPDX-License-Identifier: Apache-2.0 */
/* Where this header was; for sources that still include it from here. */
#include "base/files/file.h"
