/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/answer.h"

void control_answer(HttpRequest *request, int status, const StrBuf *text)
{
    http_respond(request, status, "text/plain; charset=utf-8", strbuf_bytes(text));
}

void control_answer_error(HttpRequest *request, const Err *err)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "%s\n", err->message);
    control_answer(request, 500, &text);
}

static void on_pending_closed(HttpRequest *request)
{
    PendingCall *pending = request->data;

    pending->gone = true;
    if (pending->on_gone)
        pending->on_gone(pending->work);
}

PendingCall *pending_call_new(void *owner, HttpRequest *request)
{
    PendingCall *pending = mem_new_type(PendingCall);

    pending->owner = owner;
    pending->request = request;
    request->data = pending;
    request->on_close = on_pending_closed;
    return pending;
}

HttpRequest *pending_call_end(PendingCall *pending)
{
    HttpRequest *request = pending->gone ? NULL : pending->request;

    if (request)
        request->on_close = NULL;
    free(pending);
    return request;
}

void pending_call_answer(PendingCall *pending, const StrBuf *text, const Err *err)
{
    HttpRequest *request = pending_call_end(pending);

    if (request && err)
        control_answer_error(request, err);
    else if (request)
        control_answer(request, 200, text);
}
