/* SPDX-License-Identifier: Apache-2.0 */
#include "control/autoscale/limits.h"

#include <math.h>

#include "base/time/clock.h"

/* A recommendation to have fewer replicas is followed when it has held for so long. */
enum { DOWN_WINDOW_S = 300 };

static const char *const reason_within = "DesiredWithinRange",
                         *const message_within = "the desired count is within the acceptable range",
                         *const message_many =
                             "the desired replica count is more than the maximum replica count",
                         *const message_few =
                             "the desired replica count is less than the minimum replica count",
                         *const message_fast_up =
                             "the desired replica count is increasing faster than the maximum "
                             "scale rate",
                         *const message_fast_down =
                             "the desired replica count is decreasing faster than the maximum "
                             "scale rate",
                         *const message_higher =
                             "recent recommendations were higher than current one, applying the "
                             "highest recent recommendation",
                         *const message_lower =
                             "recent recommendations were lower than current one, applying the "
                             "lowest recent recommendation";

/* ---- history ---- */

void scale_history_deinit(ScaleHistory *history)
{
    VEC_DEINIT(&history->recommendations);
    VEC_DEINIT(&history->ups);
    VEC_DEINIT(&history->downs);
}

void scale_history_begin(ScaleHistory *history, int32_t current, int64_t now_ns)
{
    if (!history->recommendations.n)
        VEC_PUSH(&history->recommendations, ((ScaleMoment){current, now_ns}));
}

/* Adds a moment. It takes the place of one from before `cutoff_ns`, so that the list has no more
 * entries than fit between. */
static void put(ScaleMoments *moments, ScaleMoment moment, int64_t cutoff_ns)
{
    for (size_t i = moments->n; i-- > 0;) {
        if (moments->v[i].at_ns >= cutoff_ns)
            continue;
        moments->v[i] = moment;
        return;
    }
    VEC_PUSH(moments, moment);
}

static int64_t longest_period_ns(const HPAScalingRules *rules)
{
    int32_t longest = 0;

    for (size_t i = 0; i < rules->policies.n; i++)
        longest = MAX_OF(longest, rules->policies.v[i].period_seconds);
    return longest * NS_PER_SEC;
}

void scale_history_note(ScaleHistory *history, const HorizontalPodAutoscalerBehavior *behavior,
                        int32_t before, int32_t after, int64_t now_ns)
{
    bool up = after > before;
    const HPAScalingRules *rules = !behavior ? NULL
                                   : up      ? behavior->scale_up
                                             : behavior->scale_down;

    if (rules)
        put(up ? &history->ups : &history->downs,
            (ScaleMoment){up ? after - before : before - after, now_ns},
            now_ns - longest_period_ns(rules));
}

/* By how many the size was changed within the period. */
static int64_t changed_in(const ScaleMoments *moments, int32_t period_s, int64_t now_ns)
{
    int64_t sum = 0;

    for (size_t i = 0; i < moments->n; i++)
        if (moments->v[i].at_ns > now_ns - period_s * NS_PER_SEC)
            sum += moments->v[i].replicas;
    return sum;
}

/* ---- without a behavior ---- */

static int32_t stabilize(const LimitInput *input, ScaleHistory *history)
{
    int64_t cutoff = input->now_ns - DOWN_WINDOW_S * NS_PER_SEC;
    int32_t highest = input->desired;

    for (size_t i = 0; i < history->recommendations.n; i++)
        if (history->recommendations.v[i].at_ns >= cutoff)
            highest = MAX_OF(highest, history->recommendations.v[i].replicas);
    put(&history->recommendations, (ScaleMoment){input->desired, input->now_ns}, cutoff);
    return highest;
}

static int32_t within_sizes(const LimitInput *input, int32_t wanted, LimitResult *ret)
{
    int64_t rate = MAX_OF((int64_t)input->current * 2, INT64_C(4)), most = input->most;

    ret->limit_reason = "TooManyReplicas";
    ret->limit_message = message_many;
    if (most > rate) {
        most = rate;
        ret->limit_reason = "ScaleUpLimit";
        ret->limit_message = message_fast_up;
    }
    if (wanted < input->least) {
        ret->limit_reason = "TooFewReplicas";
        ret->limit_message = message_few;
        return input->least;
    }
    if (wanted > most)
        return (int32_t)most;
    ret->limit_reason = reason_within;
    ret->limit_message = message_within;
    return wanted;
}

/* ---- with a behavior ---- */

static int32_t window_of(const HPAScalingRules *rules, int32_t otherwise)
{
    return rules && rules->stabilization_window_seconds ? *rules->stabilization_window_seconds
                                                        : otherwise;
}

/* The current size, moved as little as the recommendations within the two windows demand. */
static int32_t stabilize_both(const LimitInput *input, ScaleHistory *history)
{
    int64_t up = input->now_ns - window_of(input->behavior->scale_up, 0) * NS_PER_SEC,
            down =
                input->now_ns - window_of(input->behavior->scale_down, DOWN_WINDOW_S) * NS_PER_SEC;
    int32_t lowest = input->desired, highest = input->desired, wanted = input->current;

    for (size_t i = 0; i < history->recommendations.n; i++) {
        ScaleMoment moment = history->recommendations.v[i];

        if (moment.at_ns > up)
            lowest = MIN_OF(lowest, moment.replicas);
        if (moment.at_ns > down)
            highest = MAX_OF(highest, moment.replicas);
    }
    put(&history->recommendations, (ScaleMoment){input->desired, input->now_ns}, MIN_OF(up, down));
    wanted = MAX_OF(wanted, lowest);
    return MIN_OF(wanted, highest);
}

/* How far the policies of a direction allow to go. */
static double policy_limit(const LimitInput *input, const ScaleHistory *history,
                           const HPAScalingRules *rules, bool up)
{
    bool least_change = rules && str_equal(rules->select_policy, "Min");
    bool lowest = up == least_change; /* of the proposals */
    double limit = lowest ? INT32_MAX : INT32_MIN;

    if (!rules)
        return up ? INT32_MAX : INT32_MIN;
    if (str_equal(rules->select_policy, "Disabled"))
        return input->current;
    for (size_t i = 0; i < rules->policies.n; i++) {
        const HPAScalingPolicy *policy = &rules->policies.v[i];
        double begin = (double)(input->current -
                                changed_in(&history->ups, policy->period_seconds, input->now_ns) +
                                changed_in(&history->downs, policy->period_seconds, input->now_ns));
        double percent = policy->value / 100.0, proposed;

        if (str_equal(policy->type, "Pods"))
            proposed = up ? begin + policy->value : begin - policy->value;
        else /* rounded so that a small percentage still leads somewhere */
            proposed = up ? ceil(begin * (1 + percent)) : trunc(begin * (1 - percent));
        limit = lowest ? fmin(limit, proposed) : fmax(limit, proposed);
    }
    return limit;
}

static int32_t within_rates(const LimitInput *input, const ScaleHistory *history, int32_t wanted,
                            LimitResult *ret)
{
    double limit;

    if (wanted > input->current) {
        limit = fmax(policy_limit(input, history, input->behavior->scale_up, true), input->current);
        ret->limit_reason = input->most > limit ? "ScaleUpLimit" : "TooManyReplicas";
        ret->limit_message = input->most > limit ? message_fast_up : message_many;
        limit = fmin(limit, input->most);
        if (wanted > limit)
            return (int32_t)limit;
    } else if (wanted < input->current) {
        limit =
            fmin(policy_limit(input, history, input->behavior->scale_down, false), input->current);
        ret->limit_reason = input->least < limit ? "ScaleDownLimit" : "TooFewReplicas";
        ret->limit_message = input->least < limit ? message_fast_down : message_few;
        limit = fmax(limit, input->least);
        if (wanted < limit)
            return (int32_t)limit;
    }
    ret->limit_reason = reason_within;
    ret->limit_message = message_within;
    return wanted;
}

void limit_replicas(const LimitInput *input, ScaleHistory *history, LimitResult *ret)
{
    bool up = input->behavior && input->desired >= input->current;
    int32_t wanted;

    *ret = (LimitResult){.able_reason = "ReadyForNewScale",
                         .able_message = "recommended size matches current size"};
    wanted = input->behavior ? stabilize_both(input, history) : stabilize(input, history);
    if (wanted != input->desired) {
        ret->able_reason = up ? "ScaleUpStabilized" : "ScaleDownStabilized";
        ret->able_message = up ? message_lower : message_higher;
    }
    ret->replicas = input->behavior ? within_rates(input, history, wanted, ret)
                                    : within_sizes(input, wanted, ret);
    ret->limited = ret->replicas != wanted;
}
