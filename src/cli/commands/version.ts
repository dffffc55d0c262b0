/** `version`: of this program and of the member, which need not be the same. */
import { CliError } from "../exit-codes.ts";
import { RELEASE_VERSION } from "../../node/release.ts";
import type { ClientCommand } from "./client-command.ts";

export const versionCommand: ClientCommand = {
  name: "version",
  description: "Versions of this program and of the member, if one answers",
  run: async (client) => {
    const program = RELEASE_VERSION;
    const member = await client.info().then(
      (info) => info.releaseVersion,
      (error: unknown) => {
        if (error instanceof CliError) return undefined;
        throw error;
      },
    );
    const shown = member ?? `? (no member answers at ${client.url})`;
    return {
      json: { program, member },
      text: `dynaring: ${program}\nReleaseVersion: ${shown}\n`,
    };
  },
};
