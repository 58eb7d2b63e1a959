/** Where a machine's own files are, below its folder. */
export function computerFiles(directory: string) {
  return {
    disks: `${directory}/disks`,
    disk: (name: string) => `${directory}/disks/${name}.qcow2`,
    /** The first-boot data. */
    seed: `${directory}/seed.iso`,
    /** Of UEFI. */
    variables: `${directory}/variables.fd`,
  };
}
