/** What is staged at this member, and the last commit for as long as another one may win against it. */
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
  readonly committed?: CommittedPlan | undefined;
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

  get committed(): CommittedPlan | undefined {
    return this.#content.committed;
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
    return this.#become({ staged: [], committed: { version, changes } });
  }

  /** The commit has lost: its changes are staged again, before what was staged since. */
  restore(): Promise<void> {
    const { staged, committed } = this.#content;
    return this.#become({ staged: [...(committed?.changes ?? []), ...staged] });
  }

  /** The commit holds. */
  forget(): Promise<void> {
    return this.#become({ staged: this.#content.staged });
  }

  #become(content: Content): Promise<void> {
    this.#content = content;
    const save = (): Promise<void> => saveDocument(this.#disk, DOCUMENT, content);
    this.#saved = this.#saved.then(save, save);
    return this.#saved;
  }
}
