/* SPDX-License-Identifier: Apache-2.0 */
#include "node/runtime/message.h"

/* Parts of messages, as crun 1.8 and later print them. The first row that matches decides. */
static const struct {
    const char *part;
    RuntimeFault fault;
} messages[] = {
    /* "executable file `x` not found in $PATH: No such file or directory" */
    {"executable file", RUNTIME_FAULT_NO_PROGRAM},
    /* "container `x` does not exist" */
    {"does not exist", RUNTIME_FAULT_NO_CONTAINER},
    /* "error opening file `RUN/crun/x/status`: No such file or directory" */
    {"No such file or directory", RUNTIME_FAULT_NO_CONTAINER},
};

RuntimeFault runtime_fault(const char *message)
{
    for (size_t i = 0; message && i < ARRAY_LEN(messages); i++)
        if (strstr(message, messages[i].part))
            return messages[i].fault;
    return RUNTIME_FAULT_OTHER;
}

char *runtime_message(Bytes err)
{
    const char *text = (const char *)err.p, *line = text;
    size_t n = err.n;

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n')
            line = text + i + 1;
    return n ? mem_strndup(line, (size_t)(text + n - line))
             : mem_strdup("the runtime failed and said nothing");
}
