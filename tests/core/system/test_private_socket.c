/*
 * Private sockets: whom they let in, and which files they take the place of.
 */
#include "helpers.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/private_socket.h>

static char directory[64];
static char path[100];

static int
make_directory(void **state)
{
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/inspect", directory);
    return 0;
}

static int
remove_directory(void **state)
{
    (void)state;
    tests_directory_remove(directory);
    return 0;
}

static int
socket_at(const char *at, bool connects)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, at);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int error = connects ? connect(fd, (const struct sockaddr *)&address, sizeof(address))
                         : bind(fd, (const struct sockaddr *)&address, sizeof(address));
    if (error == 0)
        return fd;
    close(fd);
    return -1;
}

static bool
takes_connections(void)
{
    int fd = socket_at(path, true);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int
files(void)
{
    int count = 0;
    DIR *open = opendir(directory);
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(open);
    return count;
}

static void
open_and_close(void)
{
    struct tri_private_socket made;
    assert_int_equal(tri_private_socket_open(path, &made), TR_OK);
    assert_true(takes_connections());
    assert_int_equal(files(), 1);
    close(made.fd);
    tri_private_socket_remove(&made);
    assert_int_equal(files(), 0);
}

static void
only_the_user_may_connect_and_nothing_else_is_left_beside_it(void **state)
{
    struct tri_private_socket made;
    struct stat status;
    mode_t mask = umask(0);
    (void)state;
    assert_int_equal(tri_private_socket_open(path, &made), TR_OK);
    umask(mask);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_true(takes_connections());
    assert_int_equal(files(), 1);
    close(made.fd);
    tri_private_socket_remove(&made);
    assert_int_equal(files(), 0);
}

static void
the_file_of_a_dead_process_is_replaced(void **state)
{
    (void)state;
    close(socket_at(path, false));
    assert_int_equal(files(), 1);
    assert_false(takes_connections());
    open_and_close();
}

static void
a_socket_on_which_somebody_listens_is_not_replaced(void **state)
{
    struct tri_private_socket first, second;
    (void)state;
    assert_int_equal(tri_private_socket_open(path, &first), TR_OK);
    assert_int_equal(tri_private_socket_open(path, &second), TR_EADDRINUSE);
    assert_true(takes_connections());
    assert_int_equal(files(), 1);
    close(first.fd);
    tri_private_socket_remove(&first);
}

static void
refuse(tr_status status)
{
    struct tri_private_socket made;
    int before = files();
    assert_int_equal(tri_private_socket_open(path, &made), status);
    assert_int_equal(files(), before);
}

static void
what_is_no_socket_is_never_replaced(void **state)
{
    struct stat before, after;
    (void)state;
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(lstat(path, &before), 0);
    refuse(TR_EEXIST);
    assert_int_equal(lstat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    unlink(path);

    assert_int_equal(mkdir(path, 0700), 0);
    refuse(TR_EEXIST);
    rmdir(path);

    char target[120];
    snprintf(target, sizeof(target), "%s/target", directory);
    close(socket_at(target, false)); /* stale itself, but the path is a link */
    assert_int_equal(symlink(target, path), 0);
    refuse(TR_EEXIST);
    assert_int_equal(files(), 2);
}

static void
the_socket_of_another_user_is_never_replaced(void **state)
{
    (void)state;
    close(socket_at(path, false));
    if (lchown(path, geteuid() + 1, (gid_t)-1) != 0)
        skip(); /* only root can give files away */
    refuse(TR_EEXIST);
}

static void
each_fault_of_a_path_has_its_status(void **state)
{
    struct tri_private_socket made;
    char is_long[300];
    (void)state;
    assert_int_equal(tri_private_socket_open("", &made), TR_EBADPATH);
    memset(is_long, 'x', sizeof(is_long) - 1);
    is_long[sizeof(is_long) - 1] = '\0';
    assert_int_equal(tri_private_socket_open(is_long, &made), TR_ENAMETOOLONG);
    is_long[TRI_PRIVATE_PATH - 1] = '\0';
    is_long[90] = '/';
    assert_int_equal(tri_private_socket_open(is_long, &made), TR_ENAMETOOLONG);
    assert_int_equal(tri_private_socket_open("/nowhere/at/all", &made), TR_ENOENT);
    assert_int_equal(tri_private_socket_open("/dev/null/x", &made), TR_ENOTDIR);
}

static void
the_number_of_the_process_takes_the_place_of_percent_p(void **state)
{
    struct tri_private_socket made;
    char with[100], expected[100];
    (void)state;
    snprintf(with, sizeof(with), "%s/a%%pb", directory);
    snprintf(expected, sizeof(expected), "%s/a%db", directory, (int)getpid());
    assert_int_equal(tri_private_socket_open(with, &made), TR_OK);
    assert_int_equal(access(expected, F_OK), 0);
    close(made.fd);
    tri_private_socket_remove(&made);
    assert_int_equal(files(), 0);
}

static void
a_file_that_has_taken_its_place_is_not_removed(void **state)
{
    struct tri_private_socket made;
    (void)state;
    assert_int_equal(tri_private_socket_open(path, &made), TR_OK);
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    tri_private_socket_remove(&made);
    assert_int_equal(files(), 1);
    close(made.fd);
}

static void
a_directory_that_stays_locked_is_given_up(void **state)
{
    int lock = open(directory, O_RDONLY | O_DIRECTORY);
    (void)state;
    assert_int_equal(flock(lock, LOCK_EX), 0);
    refuse(TR_EBUSY);
    close(lock);
    open_and_close();
}

/* Children that all find the same stale file: one of them gets the path, and the others say so. */
static void
of_those_who_find_a_stale_file_at_once_one_gets_the_path(void **state)
{
    enum { CHILDREN = 8 };
    int go[2], done[2], winners = 0;
    pid_t children[CHILDREN];
    char byte = 0;
    (void)state;
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(done), 0);
    close(socket_at(path, false));
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        struct tri_private_socket made;
        close(go[1]);
        (void)!read(go[0], &byte, 1); /* until all are there */
        byte = tri_private_socket_open(path, &made) == TR_OK;
        (void)!write(done[1], &byte, 1);
        pause();
    }
    close(go[1]);
    for (int i = 0; i < CHILDREN; i++) {
        assert_int_equal(read(done[0], &byte, 1), 1);
        winners += byte;
    }
    bool heard = takes_connections();
    int left = files();
    for (int i = 0; i < CHILDREN; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    assert_int_equal(winners, 1);
    assert_true(heard);
    assert_int_equal(left, 1);
}

int
main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(only_the_user_may_connect_and_nothing_else_is_left_beside_it),
        IN_DIRECTORY(the_file_of_a_dead_process_is_replaced),
        IN_DIRECTORY(a_socket_on_which_somebody_listens_is_not_replaced),
        IN_DIRECTORY(what_is_no_socket_is_never_replaced),
        IN_DIRECTORY(the_socket_of_another_user_is_never_replaced),
        IN_DIRECTORY(each_fault_of_a_path_has_its_status),
        IN_DIRECTORY(the_number_of_the_process_takes_the_place_of_percent_p),
        IN_DIRECTORY(a_file_that_has_taken_its_place_is_not_removed),
        IN_DIRECTORY(a_directory_that_stays_locked_is_given_up),
        IN_DIRECTORY(of_those_who_find_a_stale_file_at_once_one_gets_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
