/** Whether the ports of a local ring are free, asked before anything is started. */
import { createServer } from "node:net";
import { CliError } from "../exit-codes.ts";
import type { MemberPlan } from "./ring-plan.ts";

/** Throws a CliError that names the first port that is taken. */
export async function requireFreePorts(members: readonly MemberPlan[]): Promise<void> {
  for (const { number, internodePort, respPort, httpPort } of members) {
    for (const [port, use] of [
      [respPort, "RESP"],
      [internodePort, "internode"],
      [httpPort, "HTTP"],
    ] as const) {
      if (await isFree(port)) continue;
      throw new CliError(
        "failed",
        `port ${port} (${use} of member ${number}) is taken by another program, perhaps another ` +
          "local ring; choose other ports with --base-port, e.g. --base-port 16400",
        { port, member: number },
      );
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port }, () => server.close(() => resolve(true)));
  });
}
