/** A history of layouts as plain data, for the member's disk and for gossip. */
import { asInteger, asList, asRecord, UntrustedDataError } from "../util/untrusted.ts";
import { type PlainLayout, decodeLayout, encodeLayout } from "./encoding.ts";
import type { LayoutHistory } from "./history.ts";
import type { Layout } from "./layout.ts";
import type { LayoutRules } from "./rules.ts";

/** More layouts at a time than anybody can have committed before the first was agreed on. */
const ACTIVE_MAX = 1000;

export interface PlainHistory {
  readonly layouts: readonly PlainLayout[];
  readonly reads: number;
}

export function encodeHistory({ layouts, reads }: LayoutHistory): PlainHistory {
  return { layouts: layouts.map((layout) => encodeLayout(layout)), reads };
}

export interface DecodeOptions {
  readonly rules?: LayoutRules | undefined;
  /** Layouts that are here already: they are taken as they are, by their hashes. */
  readonly known?: readonly Layout[] | undefined;
}

/** Throws UntrustedDataError or LayoutError if the data are no history. */
export function decodeHistory(
  data: unknown,
  { rules, known = [] }: DecodeOptions = {},
): LayoutHistory {
  const record = asRecord(data, "history");
  const byHash = new Map<unknown, Layout>(known.map((layout) => [layout.version.hash, layout]));
  const layouts = asList(record["layouts"], "history.layouts", ACTIVE_MAX).map((layout, index) => {
    const { hash } = asRecord(layout, `history.layouts[${index}]`);
    return byHash.get(hash) ?? decodeLayout(layout, rules);
  });
  const reads = asInteger(record["reads"], "history.reads", {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  });
  for (const [index, { version, clusterId }] of layouts.entries()) {
    const before = layouts[index - 1];
    const isInOrder = before === undefined || before.version.counter < version.counter;
    if (isInOrder && clusterId === layouts[0]?.clusterId) continue;
    const expected = "layouts of one cluster by ascending counter";
    throw new UntrustedDataError("history.layouts", expected, version.counter);
  }
  if (!layouts.some(({ version }) => version.counter === reads)) {
    throw new UntrustedDataError("history.reads", "the counter of one of its layouts", reads);
  }
  return { layouts, reads };
}
