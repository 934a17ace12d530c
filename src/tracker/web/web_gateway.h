/* SPDX-License-Identifier: MIT */
/* GET /DOMAIN/KEY: files by their names, for reading. */
#ifndef MOG_TRACKER_WEB_WEB_GATEWAY_H
#define MOG_TRACKER_WEB_WEB_GATEWAY_H

#include "tracker/web/web_priv.h"

/* Answers, or has it done by the pool. 404 for everything that is not served, without saying why. */
web_begin_fn web_gateway_begin;

#endif
