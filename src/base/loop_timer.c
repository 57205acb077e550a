/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop_timer.h"

void loop_timer_start(uv_timer_t *timer, uv_timer_cb on_fire, int64_t delay_ns)
{
    /* uv_now() uses the same clock as uv_hrtime(), so the difference is right however long ago the
     * loop has read its time. */
    int64_t now_ms = (int64_t)uv_now(timer->loop), now_ns = (int64_t)uv_hrtime(), due_ms;

    if (delay_ns <= 0) {
        uv_timer_start(timer, on_fire, 0, 0);
        return;
    }
    due_ms = (MIN_OF(delay_ns, INT64_MAX / 2) + now_ns + 999999) / 1000000;
    uv_timer_start(timer, on_fire, (uint64_t)MAX_OF(due_ms - now_ms, INT64_C(1)), 0);
}
