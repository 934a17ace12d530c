/* SPDX-License-Identifier: MIT */
/* mogadm: administration of a cluster through its trackers. */
#include "tools/adm.h"

int main(int argc, char **argv)
{
    return adm_main(argc, argv);
}
