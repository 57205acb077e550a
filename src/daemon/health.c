/* SPDX-License-Identifier: Apache-2.0 */
/* The health checks of the parts beside the API server, for /readyz. */
#include "base/observe/turn.h"
#include "daemon/daemon.h"

/* A reconcile ends when its writes are answered, and provisioning a volume may take long. */
#define RECONCILE_PATIENCE_NS (5 * 60 * NS_PER_SEC)
/* For this time after a failure the check fails. */
#define MOMENT_NS (30 * NS_PER_SEC)

static bool was_a_moment_ago(const App *app, int64_t when_ns)
{
    return when_ns && clock_mono_ns(app->clock) - when_ns < MOMENT_NS;
}

static const char *check_loop(void *data)
{
    return was_a_moment_ago(data, turn_last_long_ns())
               ? "a turn of the loop took longer than a second"
               : NULL;
}

static const char *check_controllers(void *data)
{
    App *app = data;

    return app->control ? control_trouble(app->control, RECONCILE_PATIENCE_NS)
                        : "the controllers do not run";
}

static const char *check_node(void *data)
{
    const App *app = data;

    return app->node || app->options->no_network ? NULL : "the node does not run";
}

static const char *check_network(void *data)
{
    const App *app = data;

    if (app->options->no_network)
        return NULL;
    if (!app->dns || !app->proxy)
        return "DNS or the service proxy does not run";
    return was_a_moment_ago(app, app->net_failed_ns) ? "a change of the network failed" : NULL;
}

void app_watch_health(App *app)
{
    static const HealthPart parts[] = {
        {.name = "loop", .check = check_loop},
        {.name = "controllers", .check = check_controllers},
        {.name = "node", .check = check_node},
        {.name = "network", .check = check_network},
    };

    static_assert(ARRAY_LEN(parts) == ARRAY_LEN(((App *)0)->health), "room for each");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        app->health[i] = parts[i];
        app->health[i].data = app;
        server_add_health(app->server, &app->health[i]);
    }
}
