/**
 * Who a member is: a UUID that stays with its data, whatever address it gets, and a generation that
 * grows with every start (Cassandra: local host id and generation in `system.local`).
 */
import { nextGeneration } from "../gossip/gossip-io.ts";
import type { Clock, Rng } from "../model/deps.ts";
import type { Disk } from "../storage/disk.ts";
import { randomUuid } from "../util/random.ts";
import { DocumentError, loadDocument, saveDocument } from "./documents.ts";

const DOCUMENT = "identity.json";

export interface Identity {
  readonly memberId: string;
  readonly clusterName: string;
  /** The storage engine that the data are in. */
  readonly engine: string;
  /** Grows with every start: at least the Unix time in seconds. */
  readonly generation: number;
}

export interface IdentityDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly rng: Rng;
}

/**
 * The identity in the data directory, with a new generation; made when the directory is new. Throws
 * DocumentError if the directory belongs to another cluster, or its data are in another engine: the
 * member would start empty, with its old place in the ring.
 */
export async function takeIdentity(
  deps: IdentityDeps,
  configured: Pick<Identity, "clusterName" | "engine">,
): Promise<Identity> {
  const known = parseIdentity(loadDocument(deps.disk, DOCUMENT));
  if (known !== undefined && known.clusterName !== configured.clusterName) {
    const problem = `belongs to cluster '${known.clusterName}', this member is configured for '${configured.clusterName}'`;
    throw new DocumentError(DOCUMENT, problem);
  }
  if (known !== undefined && known.engine !== configured.engine) {
    const problem = `names the engine '${known.engine}' for the data, this member is configured for '${configured.engine}'`;
    throw new DocumentError(DOCUMENT, problem);
  }
  const identity: Identity = {
    memberId: known?.memberId ?? randomUuid(deps.rng),
    ...configured,
    generation: nextGeneration(known?.generation, deps.clock.wallMs()),
  };
  await saveDocument(deps.disk, DOCUMENT, identity);
  return identity;
}

/** Keeps a generation that peers remember and this directory had lost, so that the next start is later. */
export function keepGeneration(disk: Disk, identity: Identity, generation: number): Promise<void> {
  return saveDocument(disk, DOCUMENT, { ...identity, generation });
}

function parseIdentity(document: unknown): Identity | undefined {
  if (document === undefined) return undefined;
  const { memberId, clusterName, engine, generation } = document as Partial<
    Record<string, unknown>
  >;
  if (
    typeof memberId !== "string" ||
    typeof clusterName !== "string" ||
    typeof engine !== "string" ||
    typeof generation !== "number"
  ) {
    throw new DocumentError(DOCUMENT, "holds no member id, cluster name, engine and generation");
  }
  return { memberId, clusterName, engine, generation };
}
