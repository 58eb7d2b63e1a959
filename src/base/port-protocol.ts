/** Transport protocols whose ports are published. */
export const PORT_PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

export type PortProtocol = (typeof PORT_PROTOCOLS)[number];

export function isPortProtocol(text: string | undefined): text is PortProtocol {
  return PORT_PROTOCOLS.some((protocol) => protocol === text);
}
