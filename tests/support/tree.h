/*
 * A tree of files that stands for the system's, in a directory of its own.
 */
#ifndef TESTS_SUPPORT_TREE_H
#define TESTS_SUPPORT_TREE_H

#define TREE_ROOT_SIZE 256

/* Makes an empty tree; fails the test if it cannot. */
void tree_make(char root[TREE_ROOT_SIZE]);

/* Puts a text into a file, whose path begins with '/'; directories are made. NULL: makes a directory. */
void tree_put(const char *root, const char *path, const char *text);

/* Removes all of it. */
void tree_remove(const char *root);

#endif
