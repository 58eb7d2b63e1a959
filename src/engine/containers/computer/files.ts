/** Where a machine's own files are, below its folder. */
export function computerFiles(directory: string) {
  return {
    disks: `${directory}/disks`,
    disk: (name: string) => `${directory}/disks/${name}.qcow2`,
    /** The first-boot data. */
    seed: `${directory}/seed.iso`,
    snapshots: `${directory}/snapshots`,
    /** What it goes on from at its next start: gone when it does. */
    state: `${directory}/resume.state`,
    /** Of UEFI. */
    variables: `${directory}/variables.fd`,
  };
}
