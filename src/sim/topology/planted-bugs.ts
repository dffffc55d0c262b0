/**
 * Bugs of changing rings, put in on purpose, to prove that the simulator would find them. Each takes
 * the place of a method of one part of a member, so nothing in the production code knows of them.
 */
import { FRAME_HEADER_BYTES, FrameType, type LayoutStamp, putLayout } from "../../codec/frames.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import { layoutHash } from "../../layout/encoding.ts";
import { type LayoutHistory, headOf, readLayoutOf } from "../../layout/history.ts";
import type { Layout } from "../../layout/layout.ts";
import { type LayoutVersion, nextVersion } from "../../model/layout-version.ts";
import { foreignSpans } from "../../node/held-data.ts";
import type { Member } from "../../node/member.ts";
import { isEmptySpan } from "../../storage/measure.ts";
import { type Plant, delegating } from "../planted-bugs.ts";

export type PlantedTopologyBug =
  | "old-set-only"
  | "early-read"
  | "no-fence"
  | "stale-plan"
  | "early-cleanup"
  | "hollow-sync"
  | "forgotten-removal"
  | "removed-serves"
  | "orphans"
  | "shared-token";

/** Lets the coordinator live in something else than the layouts that it is given. */
function useOther(member: Member, other: (history: LayoutHistory) => LayoutHistory): void {
  const { coordinator } = member;
  const useHistory = coordinator.useHistory.bind(coordinator);
  const replacement: Pick<Coordinator, "useHistory"> = {
    useHistory: (history, peerOf, self) => useHistory(other(history), peerOf, self),
  };
  Object.assign(coordinator, replacement);
}

/** Called with each state of the layouts, before it is used. */
function onHistory(member: Member, hear: (history: LayoutHistory, selfId: string) => void): void {
  const { coordinator } = member;
  const useHistory = coordinator.useHistory.bind(coordinator);
  const replacement: Pick<Coordinator, "useHistory"> = {
    useHistory: (history, peerOf, self) => {
      hear(history, self.memberId);
      useHistory(history, peerOf, self);
    },
  };
  Object.assign(coordinator, replacement);
}

function stampOf({ counter, hash }: LayoutVersion): LayoutStamp {
  return { counter, hash: Number.parseInt(hash.slice(0, 8), 16) };
}

/** Takes requests for ones of the own layout. */
function acceptAnyVersion(member: Member): void {
  const { coordinator } = member;
  let stamp: LayoutStamp = { counter: 0, hash: 0 };
  onHistory(member, (history) => (stamp = stampOf(headOf(history).version)));
  const frame = coordinator.frame.bind(coordinator);
  const requests: readonly number[] = [FrameType.write, FrameType.read, FrameType.scan];
  const replacement: Pick<Coordinator, "frame"> = {
    frame: (link, bytes, start, end) => {
      if (requests.includes(bytes[start + 4] as number)) {
        putLayout(bytes, start + FRAME_HEADER_BYTES, stamp);
      }
      frame(link, bytes, start, end);
    },
  };
  Object.assign(coordinator, replacement);
}

/** The layout with the first token of one member given to another one as well. */
function withSharedToken(layout: Layout): Layout {
  const [first, second, ...others] = layout.members;
  const token = first?.tokens[0];
  if (first === undefined || second === undefined || token === undefined) return layout;
  if (second.tokens.includes(token)) return layout;
  const tokens = [...second.tokens.slice(1), token].toSorted((a, b) =>
    BigInt(a) < BigInt(b) ? -1 : 1,
  );
  const content = { ...layout, members: [first, { ...second, tokens }, ...others] };
  const { counter, lineage } = layout.version;
  const hash = layoutHash(content, counter, layout.parent);
  const parent = { counter: counter - 1, hash: layout.parent, lineage: lineage.slice(0, -8) };
  return { ...content, version: nextVersion(parent, hash, 1) };
}

export const PLANTED_TOPOLOGY_BUGS: Readonly<Record<PlantedTopologyBug, Plant>> = {
  /** While the ring changes, writes go to the replicas that are read from, and to no others. */
  "old-set-only": {
    breaks: ["I20", "I1"],
    member: (member) =>
      useOther(member, (history) => {
        const { version, keyspaces } = headOf(history);
        const read = readLayoutOf(history);
        const known = keyspaces.map((one) => read.keyspaces.find(({ id }) => id === one.id) ?? one);
        const layouts = [{ ...read, keyspaces: known, version }];
        return { layouts, reads: version.counter };
      }),
  },
  /** The newest layout is read from before its data are there. */
  "early-read": {
    breaks: ["I20", "I1"],
    member: ({ keeper }) => {
      const { factsOf } = keeper;
      const replacement: Pick<typeof keeper, "factsOf"> = {
        factsOf: (id) => {
          const [facts, { newest }] = [factsOf(id), keeper];
          if (facts === undefined || newest === undefined) return facts;
          const { counter, hash } = headOf(newest).version;
          return { ...facts, synced: { counter, hash } };
        },
      };
      Object.assign(keeper, replacement);
    },
  },
  /** Replicas serve requests of any layout. */
  "no-fence": { breaks: ["I19"], member: acceptAnyVersion },
  /** A commit applies whatever is staged, whichever plan was named. */
  "stale-plan": {
    breaks: ["I22"],
    admin: (admin) =>
      delegating(admin, {
        commit: async () => admin.commit((await admin.plan()).hash),
      }),
  },
  /** What the newest layout gives to others is dropped before they have it. */
  "early-cleanup": {
    breaks: ["I23"],
    member: (member) =>
      onHistory(member, (history, selfId) => {
        if (history.layouts.length === 1) return;
        for (const { keyspaceId, spans } of foreignSpans(headOf(history), selfId)) {
          for (const span of spans) {
            if (isEmptySpan(member.engine, keyspaceId, span)) continue;
            member.engine.drop(keyspaceId, span, { stored: () => {}, putFailed: () => {} });
          }
        }
      }),
  },
  /** A sync is reported as done when it has not begun. */
  "hollow-sync": {
    breaks: ["I20", "I1"],
    member: (member) =>
      onHistory(member, ({ layouts }) => {
        const head = layouts.at(-1);
        const { keeper } = member;
        if (head === undefined || layouts.length === 1) return;
        if (keeper.facts.synced?.hash !== head.version.hash) keeper.markSynced(head);
      }),
  },
  /** A plan leaves out who was removed before. */
  "forgotten-removal": {
    breaks: ["I21"],
    member: ({ keeper }) => {
      const preview = keeper.preview.bind(keeper);
      const replacement: Pick<typeof keeper, "preview"> = {
        preview: (content) => preview({ ...content, removedIds: [] }),
      };
      Object.assign(keeper, replacement);
    },
  },
  /** A member that was removed goes on as if nothing were. */
  "removed-serves": {
    breaks: ["I21"],
    member: ({ coordinator }) => {
      const refuse = coordinator.refuseBecause.bind(coordinator);
      const replacement: Pick<typeof coordinator, "refuseBecause"> = {
        refuseBecause: (reason) => {
          if (!/removed|left/.test(reason)) refuse(reason);
        },
      };
      Object.assign(coordinator, replacement);
    },
  },
  /** Nobody drops what it does not own any more. */
  orphans: {
    breaks: ["I23"],
    engine: (engine, { clock }) =>
      delegating(engine, { drop: (_keyspaceId, _span, sink) => clock.defer(() => sink.stored()) }),
  },
  /** Two members may have one token. */
  "shared-token": {
    breaks: ["I16"],
    member: ({ keeper }) => {
      const preview = keeper.preview.bind(keeper);
      const replacement: Pick<typeof keeper, "preview"> = {
        preview: (content) => withSharedToken(preview(content)),
      };
      Object.assign(keeper, replacement);
    },
  },
};
