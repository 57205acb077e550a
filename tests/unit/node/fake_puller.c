/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "fake_puller.h"

struct Pull {
    void (*done)(void *data, const PullResult *result);
    void *data;
};

size_t fake_pulls, fake_pull_secrets;
char fake_pull_name[256], fake_pull_keyring[DIGEST_TEXT];
static Pull *newest;

Pull *pull_begin(Puller *puller _unused_, const PullRequest *request, Err *reterr _unused_)
{
    newest = mem_new_type(Pull);
    newest->done = request->done;
    newest->data = request->data;
    snprintf(fake_pull_name, sizeof(fake_pull_name), "%s", request->name);
    snprintf(fake_pull_keyring, sizeof(fake_pull_keyring), "%s", request->keyring_id);
    fake_pull_secrets = request->n_secrets;
    keyring_free(request->keyring);
    fake_pulls++;
    return newest;
}

void pull_leave(Pull *pull)
{
    if (pull == newest)
        newest = NULL;
    free(pull);
    fake_pulls--;
}

void fake_pull_end(int outcome, const char *message, int64_t size, int64_t duration_ns)
{
    PullResult result = {.outcome = outcome, .size = size, .duration_ns = duration_ns};
    Pull *pull = TAKE_PTR(newest);

    assert_non_null(pull);
    if (outcome)
        err_set(&result.err, 0, "%s", message);
    pull->done(pull->data, &result);
    free(pull);
    fake_pulls--;
}
