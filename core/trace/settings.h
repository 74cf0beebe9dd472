/*
 * What a trace is to be: the options of the program, the variable TR_TRACE, and the defaults of both.
 *
 * Thread: setup.
 */
#ifndef TROUPE_CORE_TRACE_SETTINGS_H
#define TROUPE_CORE_TRACE_SETTINGS_H

#include <limits.h>
#include <troupe/core/options.h>
#include <troupe/core/status.h>

/* The text of TR_TRACE; NULL if it is not set, empty, or not to be trusted. */
const char *tri_settings_text(void);

/*
 * Reads "DIRECTORY", "DIRECTORY,file" or "DIRECTORY,flight" into mode and directory; copy is where the directory's name
 * goes. TR_OK; TR_EINVAL, it is none of them; TR_ENAMETOOLONG. After an error nothing has changed.
 */
tr_status tri_settings_read(const char *text, char copy[PATH_MAX], struct tr_trace_options *options);

/*
 * Fills the defaults in, for so many streams of files. TR_OK; TR_EINVAL (no directory, an unknown mode); TR_EBADLIMIT
 * (sizes out of range, or a limit that does not hold a file for each stream); after an error options are useless.
 */
tr_status tri_settings_complete(struct tr_trace_options *options, unsigned streams);

#endif
