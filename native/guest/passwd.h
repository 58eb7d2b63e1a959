/* /etc/passwd, which an image's author, or who is root inside, may have replaced by anything. */
#ifndef BERTH_GUEST_PASSWD_H
#define BERTH_GUEST_PASSWD_H

#include <stdio.h>

/*
 * That of a root, followed inside it; NULL when it is no file, or longer than a megabyte: nobody waits at a named pipe, and no device
 * is opened.
 */
FILE *passwd_in_root(int root);

/* The same for the root that we are in, as the user whom we are, by no other system calls than fopen(3) makes. */
FILE *passwd_here(void);

#endif
