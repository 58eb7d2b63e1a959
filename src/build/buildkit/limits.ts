/** Bytes of one message, as in BuildKit. A larger one ends its call. */
export const MESSAGE_LIMIT = 16 * 1024 * 1024;

/** Bytes that a client may send ahead of whoever reads them. */
export const WINDOW = 1024 * 1024;
