/* SPDX-License-Identifier: Apache-2.0 */
/*
 * printf for texts that people and clients read. It differs from vsnprintf in one point: a NULL
 * string prints as nothing. Absent fields of API objects are NULL, and "(null)" must not appear in
 * a message whose author forgot that.
 */
#ifndef BASE_FORMAT_H
#define BASE_FORMAT_H

#include "base/base.h"

/* Writes at most size bytes with the NUL, and returns how long the whole text is. */
int format_text(char *buf, size_t size, const char *format, va_list args) _printf_(3, 0);

/* The text of an errno, which may be negative, as Go prints it: "connection refused". */
#define ERROR_TEXT_MAX 64
const char *format_error(int error, char to[static ERROR_TEXT_MAX]);

#endif
