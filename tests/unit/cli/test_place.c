/* SPDX-License-Identifier: Apache-2.0 */
/* Whose server a command is for. */
#include "testing.h"

#include <sys/stat.h>

#include "base/files/file.h"
#include "cli/place.h"

#define NOBODY 65534

typedef struct Fixture {
    char home[64];
    Arena arena;
} Fixture;

static int setup(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    snprintf(f->home, sizeof(f->home), "/tmp/test-place-XXXXXX");
    assert_non_null(mkdtemp(f->home));
    setenv("HOME", f->home, 1);
    unsetenv("XDG_DATA_HOME");
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv(PLACE_INSIDE);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    assert_int_equal(file_remove_tree(f->home), 0);
    arena_clear(&f->arena);
    free(f);
    return 0;
}

/* Chooses as an ordinary user, which this process may be already. */
static Place choose_as_user(Fixture *f, const char *data, const char *run, bool makes)
{
    bool root = geteuid() == 0;
    Place place;

    if (root && (chown(f->home, NOBODY, NOBODY) < 0 || seteuid(NOBODY) < 0))
        fail_msg("cannot become an ordinary user");
    place = place_choose(&f->arena, data, run, makes);
    if (root)
        assert_int_equal(seteuid(0), 0);
    return place;
}

static void root_works_with_the_server_of_the_machine(void **state)
{
    Fixture *f = *state;
    Place place;

    if (geteuid() != 0)
        skip();
    setenv(PLACE_INSIDE, "1", 1); /* a variable does not make a user namespace */
    place = place_choose(&f->arena, NULL, NULL, true);
    assert_string_equal(place.data, "/var/lib/stead");
    assert_string_equal(place.run, "/run/stead");
    assert_false(place.rootless);
}

static void a_user_who_starts_a_server_has_it_at_home(void **state)
{
    Fixture *f = *state;
    Place place = choose_as_user(f, NULL, NULL, true);

    assert_true(place.rootless);
    assert_string_equal(place.data, arena_printf(&f->arena, "%s/.local/share/stead", f->home));
    setenv("XDG_DATA_HOME", "/tmp/xdg-data", 1);
    setenv("XDG_RUNTIME_DIR", "/tmp/xdg-run", 1);
    place = choose_as_user(f, NULL, NULL, true);
    assert_string_equal(place.data, "/tmp/xdg-data/stead");
    assert_string_equal(place.run, "/tmp/xdg-run/stead");
    setenv("XDG_DATA_HOME", "relative", 1); /* the specification has these ignored */
    place = choose_as_user(f, NULL, NULL, true);
    assert_string_equal(place.data, arena_printf(&f->arena, "%s/.local/share/stead", f->home));
}

static void a_users_own_server_comes_before_that_of_the_machine(void **state)
{
    Fixture *f = *state;
    _free_ char *data = mem_printf("%s/.local/share/stead", f->home);

    assert_int_equal(file_mkdir_all(data, 0755), 0);
    assert_true(choose_as_user(f, NULL, NULL, false).rootless);
}

static void folders_of_another_user_are_not_a_users_server(void **state)
{
    Fixture *f = *state;
    _free_ char *own = mem_printf("%s/new", f->home);

    assert_false(choose_as_user(f, "/", NULL, true).rootless);
    assert_false(choose_as_user(f, own, "/proc", true).rootless);
    assert_true(choose_as_user(f, own, NULL, true).rootless);
    assert_true(choose_as_user(f, f->home, own, false).rootless);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(root_works_with_the_server_of_the_machine),
        TEST(a_user_who_starts_a_server_has_it_at_home),
        TEST(a_users_own_server_comes_before_that_of_the_machine),
        TEST(folders_of_another_user_are_not_a_users_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
