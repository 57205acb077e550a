/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol: the program gets "get" as its argument and the server on its standard input, and
 * writes {"ServerURL": "...", "Username": "...", "Secret": "..."} to its standard output. The user
 * "<token>" means that the secret is an identity token. If it has no credentials it fails and says
 * so on its standard output; nothing else of its output is ever shown, since it may be secret.
 */
#include <uv.h>

#include "base/process.h"
#include "base/time/clock.h"
#include "codec/json/json.h"
#include "registry/credential_helper.h"

#define TIMEOUT_NS (20 * NS_PER_SEC)
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

typedef struct Answer {
    const char *name;
    Arena *arena;
    Credential *ret;
    Err *reterr;
    int result;
} Answer;

static bool says_none(Bytes out)
{
    return memmem(out.p, out.n, "credentials not found", strlen("credentials not found")) ||
           memmem(out.p, out.n, "no credentials server URL", strlen("no credentials server URL")) ||
           memmem(out.p, out.n, "no credentials username", strlen("no credentials username"));
}

static int read_answer(Answer *answer, Bytes out)
{
    yyjson_doc *doc = NULL;
    const char *user, *secret;
    yyjson_val *root;

    if (json_parse(answer->arena, out, &doc, &(DecodeReport){0}))
        return err_set(answer->reterr, 0, "docker-credential-%s: its answer is not JSON",
                       answer->name);
    root = yyjson_doc_get_root(doc);
    user = str_or(yyjson_get_str(yyjson_obj_get(root, "Username")), "");
    secret = str_or(yyjson_get_str(yyjson_obj_get(root, "Secret")), "");
    if (str_equal(user, "<token>"))
        answer->ret->identity_token = secret;
    else
        *answer->ret = (Credential){user, secret, "", ""};
    return 0;
}

static void on_done(void *data, const ProcessResult *result)
{
    Answer *answer = data;

    if (result->error)
        answer->result = err_set(answer->reterr, -result->error,
                                 "docker-credential-%s could not be started", answer->name);
    else if (result->timed_out)
        answer->result = err_set(answer->reterr, 0,
                                 "docker-credential-%s did not answer in 20 seconds", answer->name);
    else if (result->exit_status == 0 && result->signal == 0 && !result->truncated)
        answer->result = read_answer(answer, result->out);
    else if (!says_none(result->out))
        answer->result = err_set(answer->reterr, 0, "docker-credential-%s failed with status %d",
                                 answer->name, result->exit_status);
}

int credential_helper_get(const char *name, const char *server, Arena *arena, Credential *ret,
                          Err *reterr)
{
    const char *program = arena_printf(arena, "docker-credential-%s", name);
    ProcessOptions options = {
        .argv = (const char *const[]){program, "get", NULL},
        .input = bytes_from_string(server),
        .timeout_ns = TIMEOUT_NS,
    };
    Answer answer = {name, arena, ret, reterr, 0};
    uv_loop_t loop;

    *ret = (Credential){"", "", "", ""};
    if (str_empty(name) || name[strspn(name, NAME_CHARACTERS)])
        return err_set(reterr, 0, "the name of a credential helper is invalid");
    ASSERT(uv_loop_init(&loop) == 0);
    process_run(&loop, &options, on_done, &answer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&loop) == 0);
    return answer.result;
}
