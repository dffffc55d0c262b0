/** What is staged at this member, and its commits for as long as another one may win against them. */
import { KvError } from "../model/kv-error.ts";
import type { LayoutVersion } from "../model/layout-version.ts";
import type { StagedChange } from "../model/topology-api.ts";
import type { Disk } from "../storage/disk.ts";
import { loadDocument, saveDocument } from "./documents.ts";

const DOCUMENT = "staged.json";

/** A commit that not everybody has agreed on yet. */
export interface CommittedPlan {
  readonly version: LayoutVersion;
  readonly changes: readonly StagedChange[];
}

interface Content {
  readonly staged: readonly StagedChange[];
  /** In the order in which they were made. */
  readonly commits?: readonly CommittedPlan[] | undefined;
}

export class StagedDocument {
  readonly #disk: Disk;
  #content: Content = { staged: [] };
  #saved: Promise<void> = Promise.resolve();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  get staged(): readonly StagedChange[] {
    return this.#content.staged;
  }

  get commits(): readonly CommittedPlan[] {
    return this.#content.commits ?? [];
  }

  /** Throws DocumentError. */
  load(): void {
    this.#content = (loadDocument(this.#disk, DOCUMENT) as Content | undefined) ?? { staged: [] };
  }

  save(staged: readonly StagedChange[]): Promise<void> {
    return this.#become({ ...this.#content, staged });
  }

  /** What was staged is committed as this version. */
  commit(version: LayoutVersion, changes: readonly StagedChange[]): Promise<void> {
    return this.#become({ staged: [], commits: [...this.commits, { version, changes }] });
  }

  /** These commits have lost: their changes are staged again, before what was staged since. */
  restore(lost: readonly CommittedPlan[]): Promise<void> {
    const changes = lost.flatMap((plan) => plan.changes);
    return this.#become({
      staged: [...changes, ...this.staged],
      commits: this.commits.filter((plan) => !lost.includes(plan)),
    });
  }

  /** These commits hold. */
  forget(held: readonly CommittedPlan[]): Promise<void> {
    const commits = this.commits.filter((plan) => !held.includes(plan));
    return this.#become({ staged: this.staged, commits });
  }

  /** Throws KvError, with all as before, if it cannot be written. */
  async #become(content: Content): Promise<void> {
    const before = this.#content;
    this.#content = content;
    const save = (): Promise<void> => saveDocument(this.#disk, DOCUMENT, content);
    this.#saved = this.#saved.then(save, save);
    try {
      await this.#saved;
    } catch (error) {
      if (this.#content === content) this.#content = before;
      const reason = `${DOCUMENT} cannot be written: ${(error as Error).message}`;
      throw new KvError({ code: "NOT_READY", reason });
    }
  }
}
