/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "node/runtime/message.h"

static void messages_of_crun_are_told_apart(void **state)
{
    static const struct {
        const char *message;
        RuntimeFault fault;
    } rows[] = {
        {"executable file `/no` not found in $PATH: No such file or directory",
         RUNTIME_FAULT_NO_PROGRAM},
        {"executable file `sh` not found in $PATH", RUNTIME_FAULT_NO_PROGRAM},
        {"container `0123` does not exist", RUNTIME_FAULT_NO_CONTAINER},
        {"error opening file `/run/crun/0123/status`: No such file or directory",
         RUNTIME_FAULT_NO_CONTAINER},
        {"cannot open directory '/run/crun/0123': No such file or directory",
         RUNTIME_FAULT_NO_CONTAINER},
        {"writing file `/sys/fs/cgroup/x/pids.max`: Permission denied", RUNTIME_FAULT_OTHER},
        {"", RUNTIME_FAULT_OTHER},
        {NULL, RUNTIME_FAULT_OTHER},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].message ? rows[i].message : "no message");
        assert_int_equal(runtime_fault(rows[i].message), rows[i].fault);
    }
}

static void the_last_line_is_the_message(void **state)
{
    static const char *const rows[][2] = {
        {"one line", "one line"},
        {"a warning\nthe error\n", "the error"},
        {"a warning\nthe error \n\n", "the error"},
        {"", "the runtime failed and said nothing"},
        {"\n \n", "the runtime failed and said nothing"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _free_ char *text = runtime_message(bytes_from_string(rows[i][0]));

        assert_string_equal(text, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_crun_are_told_apart),
        cmocka_unit_test(the_last_line_is_the_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
