/** Which part of the ring a member holds, and how much data that says the ring has. */
import type { KeyspaceSpans } from "../healing/cleanup.ts";
import { keyspaceTable } from "../layout/keyspace-table.ts";
import type { Layout, LayoutKeyspace } from "../layout/layout.ts";
import type { KeyspaceDensity } from "../layout/plan.ts";
import { ringMeasure } from "../layout/ring-measure.ts";
import type { ReplicaRange } from "../placement/replica-table.ts";
import { tokenFromHalves } from "../ring/token.ts";
import type { TokenSpan } from "../storage/engine.ts";
import { type MeasureDeps, measureSpan } from "../storage/measure.ts";

/** Cells that are looked at to know the density, at least, where there are so many. */
const SAMPLE_CELLS = 100_000;

const WHOLE_RING: TokenSpan = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };

/** The spans that a member holds (or does not) of a keyspace, neighbours joined. */
export function spansOf(
  layout: Layout,
  keyspace: LayoutKeyspace,
  isWanted: (holderIds: readonly string[]) => boolean,
): readonly TokenSpan[] {
  const { members } = layout;
  const ranges = keyspaceTable(layout, keyspace)
    .ranges()
    .filter(({ replicas }) => isWanted(replicas.members.map((at) => members[at]?.id ?? "")));
  return joined(ranges);
}

/** What a member that lives in this layout alone need not keep. */
export function foreignSpans(layout: Layout, memberId: string): readonly KeyspaceSpans[] {
  return layout.keyspaces.map((keyspace) => ({
    keyspaceId: keyspace.id,
    spans: spansOf(layout, keyspace, (holders) => !holders.includes(memberId)),
  }));
}

/**
 * The amount of data in one replica of the whole ring, as this member's own part lets expect: where
 * tokens are hashes all parts of the ring are alike (ring-measure.ts). By keyspace id.
 */
export async function densitiesOf(
  layout: Layout,
  memberId: string,
  deps: MeasureDeps,
): Promise<ReadonlyMap<number, KeyspaceDensity>> {
  const measure = ringMeasure([layout]);
  const densities = new Map<number, KeyspaceDensity>();
  for (const keyspace of layout.keyspaces) {
    let [bytes, keys, share] = [0, 0, 0];
    for (const span of spansOf(layout, keyspace, (holders) => holders.includes(memberId))) {
      if (keys >= SAMPLE_CELLS) break;
      const held = await measureSpan(deps, keyspace.id, span);
      bytes += held.bytes;
      keys += held.cells;
      share += measure(
        tokenFromHalves(span.startHi, span.startLo),
        tokenFromHalves(span.endHi, span.endLo),
      );
    }
    if (share > 0) densities.set(keyspace.id, { bytes: bytes / share, keys: keys / share });
  }
  return densities;
}

function joined(ranges: readonly ReplicaRange[]): readonly TokenSpan[] {
  const spans: TokenSpan[] = [];
  for (const { startHi, startLo, endHi, endLo } of ranges) {
    const last = spans.at(-1);
    const continues = last?.endHi === startHi && last.endLo === startLo;
    if (last !== undefined && continues) spans[spans.length - 1] = { ...last, endHi, endLo };
    else spans.push({ startHi, startLo, endHi, endLo });
  }
  const [first] = spans;
  const last = spans.at(-1);
  const wraps = first !== undefined && last !== undefined && first !== last;
  if (wraps && last.endHi === first.startHi && last.endLo === first.startLo) {
    spans[0] = { ...first, startHi: last.startHi, startLo: last.startLo };
    spans.pop();
  }
  return spans.length === 1 && isWhole(spans[0]) ? [WHOLE_RING] : spans;
}

function isWhole(span: TokenSpan | undefined): boolean {
  return span?.startHi === span?.endHi && span?.startLo === span?.endLo;
}
