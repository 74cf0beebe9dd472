/*
 * What an error number of the system means for the call that it answered.
 *
 * The one table of net: every place that has to decide after a failed system call asks here. Pure functions.
 */
#ifndef TROUPE_NET_VERDICT_H
#define TROUPE_NET_VERDICT_H

enum tri_operation {
    TRI_ON_READ,    /* read, recvmsg */
    TRI_ON_WRITE,   /* write, writev, and sendfile from a file that is well */
    TRI_ON_PASS,    /* sendmsg with a descriptor */
    TRI_ON_FILE,    /* sendfile, pread */
    TRI_ON_ACCEPT,  /* accept4 */
    TRI_ON_CONNECT, /* connect */
};

enum tri_verdict {
    TRI_AGAIN,    /* it was interrupted: call again at once */
    TRI_WAIT,     /* not yet: polling says when */
    TRI_REFUSED,  /* this call has failed and has changed nothing; the next one may go well */
    TRI_BROKEN,   /* the connection, or the descriptor that listens, is of no use any more */
    TRI_SHORT,    /* the process or the system has run out of something: pause, and try again */
    TRI_COMPLETE, /* it is done already */
};

/* Thread: any. */
enum tri_verdict tri_verdict(enum tri_operation operation, int error);

/* The errno that the flags of a recvmsg() stand for; 0: nothing is missing. Thread: any. */
int tri_error_of_flags(int flags);

#endif
