/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of --registry, and the ConfigMap kube-public/local-registry-hosting, by which tools such as Tilt, Skaffold and ko find
 * out where to push to (KEP-1755).
 */
#include "api/schema/core_config_v1.h"
#include "base/log.h"
#include "cli/place.h"
#include "daemon/daemon.h"
#include "daemon/image/collect.h"
#include "daemon/rootless/rootless.h"
#include "daemon/user_access.h"

#define ANNOUNCEMENT "local-registry-hosting"
#define ANNOUNCEMENT_KEY "localRegistryHosting.v1"

static void on_announced(void *data _unused_, const ApiStatus *status, Object *object _unused_)
{
    if (status->reason != STATUS_OK)
        log_warn("registry", "it could not be announced: %s", str_or(status->message, ""));
}

static void fill(Object *object, const char *host)
{
    ConfigMap *map = OBJECT_AS(ConfigMap, object);

    map->data = (StringMap){0};
    string_map_put(&object->arena, &map->data, ANNOUNCEMENT_KEY,
                   arena_printf(&object->arena,
                                "host: \"%s\"\nhostFromContainerRuntime: \"%s\"\n"
                                "help: \"push to %s/NAME:TAG and name the image like that\"\n",
                                host, host, host));
}

/* Only what this program wrote is removed again. */
static void withdraw(Client *client, const Object *there)
{
    const char *text =
        there ? string_map_get(&OBJECT_AS(ConfigMap, there)->data, ANNOUNCEMENT_KEY) : NULL;

    if (text && strstr(text, "/NAME:TAG and name the image like that"))
        client_delete(client, &kind_config_map, "kube-public", ANNOUNCEMENT, NULL, NULL, NULL);
}

static void announce(App *app)
{
    Client *client = server_client(app->server, "system:apiserver");
    Object *there = client_get(client, &kind_config_map, "kube-public", ANNOUNCEMENT), *object;

    if (!app->distribution) {
        withdraw(client, there);
        return;
    }
    object = there ? object_copy(there) : object_new(&kind_config_map);
    object_meta(object)->name = ANNOUNCEMENT;
    object_meta(object)->namespace = "kube-public";
    fill(object, distribution_host(app->distribution));
    if (there)
        client_update(client, object, NULL, on_announced, app);
    else
        client_create(client, object, NULL, on_announced, app);
}

static int listen_on_machine(void *data, const char *address, uint16_t port)
{
    const App *app = data;

    return rootless_listen(app->options->run, address, port);
}

int app_start_registry(App *app, Err *reterr)
{
    const Options *o = app->options;
    _free_ char *dir = mem_printf("%s/images/pushed", o->data);
    DistributionOptions options = {.loop = &app->loop,
                                   .images = app->images,
                                   .dir = dir,
                                   .address = o->registry,
                                   .listen_outside = place_is_inside() ? listen_on_machine : NULL,
                                   .on_image = app_image_added,
                                   .data = app};
    CallingUser user;
    int r = 0;

    if (o->registry) {
        if (calling_user_find(&app->options->arena, &user))
            options.user = user.uid;
        r = distribution_open(&options, &app->distribution, reterr);
    }
    if (r >= 0)
        announce(app);
    return r;
}
