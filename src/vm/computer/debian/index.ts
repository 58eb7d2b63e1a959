export { BuiltDebian } from './built-debian.ts';
export { MmdebstrapBuilder } from './system-builder.ts';
