import { randomInt } from "node:crypto";
import { type Server, createServer } from "node:net";

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux): one of those may
 * be taken by some connection between the moment when it is found free and its use.
 */
const FIRST = 12_000;
const END = 32_000;

/** `count` ports of the loopback interface that nobody uses at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  while (held.size < count) {
    const port = randomInt(FIRST, END);
    const server = held.has(port) ? undefined : await listening(port);
    if (server !== undefined) held.set(port, server);
  }
  for (const server of held.values()) await new Promise((resolve) => server.close(resolve));
  return [...held.keys()];
}

/** Undefined if the port is taken. */
function listening(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
