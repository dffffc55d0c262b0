/** Network addresses as text: `host:port`, with IPv6 hosts in brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Parses `host:port`. Throws RangeError that shows the text and what would be right. */
export function parseAddress(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65_535)) {
    throw new RangeError(`address '${text}' is not host:port, e.g. 127.0.0.1:7401 or [::1]:7401`);
  }
  return { host, port };
}

export function formatAddress({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
