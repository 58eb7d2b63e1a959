/** Makes GNU tar write a folder so that equal trees give equal bytes: contents, owners, xattrs, hard links, times to the nanosecond. */
export function canonicalTarArguments(folder: string): string[] {
  return [
    '--create',
    '--format=pax',
    '--pax-option=delete=atime,delete=ctime',
    '--sort=name',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    `--directory=${folder}`,
    '.',
  ];
}
