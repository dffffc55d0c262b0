/** What commands see of the process that they run in; tests give them another one. */

export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTerminal: boolean;
  readonly fetch: typeof globalThis.fetch;
  /** Standard input; absent where there is none. Reading it starts when it is iterated. */
  readonly input?: AsyncIterable<Uint8Array> | undefined;
  /** Lets time pass; absent: the real one. */
  readonly pause?: ((delayMs: number) => Promise<void>) | undefined;
  /** To standard output, as it is. */
  write(text: string): void;
  /** To standard error, as it is. */
  writeError(text: string): void;
}
