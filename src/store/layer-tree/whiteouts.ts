/** How a layer's tar says what it hides in lower layers: OCI image-spec, layer.md#whiteouts. */
export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_MARKER = '.wh..wh..opq';
