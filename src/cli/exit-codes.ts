/** What the exit code of the command says; docs/reference/cli.md lists the same table. */

export interface ExitCode {
  readonly code: number;
  readonly meaning: string;
}

export type ExitName =
  | "ok"
  | "usage"
  | "unreachable"
  | "refused"
  | "failed"
  | "declined"
  | "forced";

export const EXIT_CODES: Readonly<Record<ExitName, ExitCode>> = {
  ok: { code: 0, meaning: "Done." },
  usage: { code: 1, meaning: "The command line or the configuration is wrong. Nothing was done." },
  unreachable: { code: 2, meaning: "No member answers at the URL." },
  refused: { code: 3, meaning: "The member answered with an error." },
  failed: {
    code: 4,
    meaning: "The member or the ring could not start or run, or a change of the ring is stuck.",
  },
  declined: { code: 5, meaning: "The question was not answered with yes. Nothing was done." },
  forced: {
    code: 130,
    meaning:
      "A second signal ended it before it had stopped gracefully, or a signal ended the watching of " +
      "a change, which goes on.",
  },
};

/** Ends the command with a message for the user and an exit code. */
export class CliError extends Error {
  readonly exit: ExitName;
  /** The machine's view of it, for `--json`. */
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(exit: ExitName, message: string, detail: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = "CliError";
    this.exit = exit;
    this.detail = detail;
  }
}
