/*
 * What berthd (src/runtime/file-protocol.ts is the same) and the file worker say to each other, framed as in
 * common/frame.h. One request at a time; its id is in every frame that belongs to it.
 *
 *     berthd                           worker
 *     request ───────────────────────▶
 *             ◀─────────────────────── data …        (pack, pack changes)
 *     data …, end ───────────────────▶               (unpack; also after a failure, to close its stream)
 *     cancel ────────────────────────▶               (instead of end; or during pack)
 *             ◀─────────────────────── done or failed, exactly once
 */
#ifndef BERTH_FS_PROTOCOL_H
#define BERTH_FS_PROTOCOL_H

enum message {
    REQUEST_STAT = 1,
    REQUEST_MAKE_DIRECTORY = 2,
    REQUEST_READ_FILE = 3,
    REQUEST_PACK = 4,
    REQUEST_UNPACK = 5,
    REQUEST_PACK_CHANGES = 6, /* of an overlayfs upper folder, or of a layer as it is mounted */
    REQUEST_LIST = 7,
    REQUEST_READ_HEAD = 8, /* as READ_FILE, but a longer file is cut off */
    REQUEST_REMOVE_EMPTY = 9, /* a folder without names in it, a regular file without content; anything else stays */
    STREAM_DATA = 16, /* raw bytes, at most STREAM_BUFFER */
    STREAM_END = 17,
    STREAM_CANCEL = 18,
    REPLY_DONE = 32,
    REPLY_FAILED = 33,
};

enum tag {
    FIELD_PATH = 1, /* text */
    FIELD_FOLLOW = 2, /* 0 or 1 */
    FIELD_UID = 3,
    FIELD_GID = 4,
    FIELD_LIMIT = 5, /* bytes */
    FIELD_AS = 6, /* text */
    FIELD_MODE = 7, /* st_mode with the type */
    FIELD_SIZE = 8, /* bytes */
    FIELD_SECONDS = 9, /* of the modification time, two's complement */
    FIELD_NANOSECONDS = 10,
    FIELD_LINK = 11, /* bytes of a symlink's target */
    FIELD_CONTENT = 12, /* bytes; of a list the names, each with a 0 behind it */
    FIELD_KIND = 13, /* text, a kind of src/base/errors.ts */
    FIELD_MESSAGE = 14, /* text */
};

#endif
