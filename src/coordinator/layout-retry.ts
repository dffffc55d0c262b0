/**
 * A request that a replica has refused because it lives in another layout is made again: as soon as
 * this member goes over to another layout itself, or after a moment if it is the replica that lags.
 */
import type { LayoutKeyspace } from "../layout/layout.ts";
import { KvError } from "../model/kv-error.ts";
import type { CoordinatorContext } from "./context.ts";
import { Expiring } from "./deadlines.ts";
import type { KeyspacePlacement } from "./keyspace-placement.ts";

export const LIVES_ELSEWHERE = "it lives in another layout";

/** A request that can be made again. */
export interface Retriable {
  retry(): void;
}

/** The waiting of one request; made when it is first refused. */
export class LayoutRetry extends Expiring {
  readonly #context: CoordinatorContext;
  readonly #request: Retriable;

  constructor(context: CoordinatorContext, request: Retriable) {
    super();
    this.#context = context;
    this.#request = request;
  }

  wait(): void {
    if (this.queue === undefined) this.#context.layoutRetries.add(this);
  }

  cancel(): void {
    this.queue?.remove(this);
  }

  override expired(): void {
    this.#context.counters.layoutRetries++;
    this.#request.retry();
  }
}

/** The keyspace in the present layouts. Throws KvError if the head has it no more. */
export function presentPlacement(
  { placements }: CoordinatorContext,
  { id, name }: Pick<LayoutKeyspace, "id" | "name">,
): KeyspacePlacement {
  const placement = placements.get(name);
  if (placement?.keyspace.id === id) return placement;
  throw new KvError({ code: "UNKNOWN_KEYSPACE", keyspace: name });
}
