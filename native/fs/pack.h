/* Writes trees as tar archives, sorted by name, so that equal trees give equal bytes. */
#ifndef BERTH_FS_PACK_H
#define BERTH_FS_PACK_H

#include "fs/stream.h"

/*
 * Packs what is at `name` in the folder (not following it); entries are called `as` and `as`/…, or, with an empty
 * `as`, "./" and what is below without a prefix. Sockets are left out, and the content of proc, sysfs and cgroups.
 */
int pack_tree(int folder, const char *name, const char *as, struct sink *sink, struct failure *failure);

/*
 * Packs an overlayfs upper folder as an OCI layer (image-spec, layer.md#representing-changes): whiteout devices
 * become ".wh.name", opaque folders contain ".wh..wh..opq", overlayfs' own attributes are left out. The folder itself
 * has no entry. Fails for what a layer cannot express: redirected folders, metadata-only copies, names that begin with ".wh.".
 */
int pack_changes(int upper, struct sink *sink, struct failure *failure);

#endif
