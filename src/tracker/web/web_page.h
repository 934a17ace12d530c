/* SPDX-License-Identifier: MIT */
/* The files of the page, built into the program. */
#ifndef MOG_TRACKER_WEB_WEB_PAGE_H
#define MOG_TRACKER_WEB_WEB_PAGE_H

#include "common/embedded.h"

/* Those of src/tracker/web/page; ends with a row whose name is NULL. */
extern const struct embedded_text embedded_page[];

#endif
