/* One block of a tar (POSIX.1-2017, pax, "ustar Interchange Format"). Numbers are octal texts. */
#ifndef BERTH_FS_TAR_HEADER_H
#define BERTH_FS_TAR_HEADER_H

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct header) == 512, "a header is one block");

#endif
