export type * from './contract.ts';
export { type ImagePlaces, ImageStore, type ImageTools } from './image-store.ts';
export { TarArchives } from './machine-archives.ts';
export { QcowDisks } from './machine-disks.ts';
export { QemuImg } from './qemu-img.ts';
