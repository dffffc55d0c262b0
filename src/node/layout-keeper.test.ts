import { describe, expect, test } from "vitest";
import { until } from "../../test/support/condition.ts";
import type { MemberFacts } from "../layout/history.ts";
import { headOf } from "../layout/history.ts";
import { keyspace, member, memberId, start } from "../layout/testing.suite.ts";
import { silentLogger } from "../model/deps.ts";
import type { Disk } from "../storage/disk.ts";
import { DiskError } from "../storage/disk.ts";
import { MemoryDisk } from "../storage/memory-disk.ts";
import { LayoutKeeper } from "./layout-keeper.ts";
import { realClock } from "./real-clock.ts";

const SELF = memberId(1);

class Keeper {
  readonly disk: Disk;
  readonly others = new Map<string, MemberFacts>();
  readonly dead = new Set<string>();
  readonly keeper: LayoutKeeper;
  changes = 0;

  constructor(disk: Disk = new MemoryDisk({ clock: realClock })) {
    this.disk = disk;
    this.keeper = new LayoutKeeper({
      clock: realClock,
      logger: silentLogger,
      disk,
      factsOf: (id) => this.others.get(id),
      isAlive: (id) => !this.dead.has(id),
      onChange: () => this.changes++,
    });
    this.keeper.load(SELF);
  }

  async found(...numbers: number[]): Promise<void> {
    this.keeper.found(start(...numbers.map((number) => member(number))));
    await this.keeper.saved();
  }

  /** The member tells that it lives in this keeper's head, has synced it, and reads from it. */
  confirm(number: number): void {
    const { version } = headOf(this.keeper.history!);
    this.others.set(memberId(number), { ack: version, synced: version, reads: version });
    this.keeper.learn();
  }
}

const createKeyspace = (name: string) => () =>
  ({ kind: "keyspace", definition: keyspace(name) }) as const;

describe("a layout keeper", () => {
  test("uses nothing before it is on disk", async () => {
    const one = new Keeper();
    one.keeper.found(start(member(1)));
    expect(one.keeper.history).toBeUndefined();
    expect(one.keeper.facts.ack).toBeUndefined();
    await one.keeper.saved();
    expect(one.keeper.facts.ack?.counter).toBe(1);
    expect(one.changes).toBeGreaterThan(0);
  });

  test("finds histories, facts and all, again", async () => {
    const one = new Keeper();
    await one.found(1, 2);
    one.keeper.want(createKeyspace("k"));
    await one.keeper.saved();
    one.keeper.markSynced(one.keeper.head!);
    await one.keeper.saved();
    const again = new Keeper(one.disk);
    expect(again.keeper.history).toEqual(one.keeper.history);
    expect(again.keeper.facts).toEqual(one.keeper.facts);
    expect(again.keeper.facts.synced?.counter).toBe(2);
  });

  test("forgets histories that have no place for it when it starts again", async () => {
    const one = new Keeper();
    await one.found(2, 3);
    expect(one.keeper.history).toBeDefined();
    expect(new Keeper(one.disk).keeper.history).toBeUndefined();
  });

  test("keeps a history that has removed it", async () => {
    const one = new Keeper();
    await one.found(1, 2);
    const { members, keyspaces, leavingIds } = one.keeper.head!;
    const rest = members.filter(({ id }) => id !== SELF);
    one.keeper.commit(
      one.keeper.preview({ members: rest, keyspaces, leavingIds, removedIds: [SELF] }),
    );
    await one.keeper.saved();
    expect(new Keeper(one.disk).keeper.head?.removedIds).toEqual([SELF]);
  });

  test("keeps the old layouts until the others have confirmed, and then only the newest", async () => {
    const one = new Keeper();
    await one.found(1, 2);
    one.confirm(2);
    one.keeper.want(createKeyspace("k"));
    await one.keeper.saved();
    expect([one.keeper.history!.layouts.length, one.keeper.history!.reads]).toEqual([2, 1]);
    one.confirm(2);
    await one.keeper.saved();
    expect([one.keeper.history!.layouts.length, one.keeper.history!.reads]).toEqual([1, 2]);
  });

  test("goes on with the old one while the disk is full, and with the new one when it is not", async () => {
    const memory = new MemoryDisk({ clock: realClock });
    let isFull = false;
    const disk: Disk = new Proxy(memory, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name === "rename") {
          return (from: string, to: string) => {
            if (isFull) throw new DiskError("FULL", "no space left");
            target.rename(from, to);
          };
        }
        return value.bind(target) as unknown;
      },
    });
    const one = new Keeper(disk);
    await one.found(1);
    isFull = true;
    one.keeper.want(createKeyspace("k"));
    await one.keeper.saved();
    expect(one.keeper.head?.keyspaces).toEqual([]);
    isFull = false;
    await until("it is written", () => one.keeper.head?.keyspaces.length === 1);
    await one.keeper.stop();
  });

  test("commits nothing for a ring that it is not in", async () => {
    const one = new Keeper();
    const other = new LayoutKeeper({
      clock: realClock,
      logger: silentLogger,
      disk: new MemoryDisk({ clock: realClock }),
      factsOf: () => undefined,
      isAlive: () => true,
      onChange: () => {},
    });
    other.load(memberId(2));
    other.found(start(member(2), member(3)));
    await other.saved();
    one.keeper.offer(other.encoded(), memberId(2));
    one.keeper.want(createKeyspace("k"));
    await one.keeper.saved();
    expect(one.keeper.head?.keyspaces).toEqual([]);
  });

  test("says why a wish cannot be had", async () => {
    const one = new Keeper();
    await one.found(1);
    const wish = () => ({ kind: "join", member: member(5, { tokens: ["100"] }) }) as const;
    const obstacles = one.keeper.propose([wish]);
    expect(obstacles.get(wish)?.message).toMatch(/token 100 of member .* belongs to member/);
  });

  test("commits a plan only on the layout that it was made for", async () => {
    const one = new Keeper();
    await one.found(1);
    const { keyspaces, leavingIds, removedIds } = one.keeper.head!;
    const members = [member(1), member(2)];
    const planned = one.keeper.preview({ members, keyspaces, leavingIds, removedIds });
    one.keeper.want(createKeyspace("k"));
    expect(one.keeper.commit(planned)).toBe(false);
    await one.keeper.saved();
    const again = one.keeper.preview({ ...one.keeper.head!, members });
    expect(one.keeper.commit(again)).toBe(true);
    await one.keeper.saved();
    expect(one.keeper.head?.version).toEqual(again.version);
  });

  test("commits no plan whose base it reads from no more", async () => {
    const one = new Keeper();
    await one.found(1, 2);
    one.confirm(2);
    one.keeper.want(createKeyspace("k"));
    await one.keeper.saved();
    const planned = one.keeper.preview({ ...one.keeper.head!, members: [member(1)] });
    expect(planned.base).toBe(1);
    one.confirm(2);
    await one.keeper.saved();
    expect(one.keeper.history!.reads).toBe(2);
    expect(one.keeper.commit(planned)).toBe(false);
    const again = one.keeper.preview({ ...one.keeper.head!, members: [member(1)] });
    expect(one.keeper.commit(again)).toBe(true);
  });

  test("commits while it is leaving if nobody who stays is alive, and only what is planned", async () => {
    const one = new Keeper();
    await one.found(1, 2);
    const content = { ...one.keeper.head!, members: [member(2)], leavingIds: [SELF] };
    one.keeper.commit(one.keeper.preview(content));
    const back = { ...content, members: [member(1), member(2)], leavingIds: [] };
    expect(() => one.keeper.preview(back)).toThrow("this member is leaving the ring");
    one.dead.add(memberId(2));
    one.keeper.want(createKeyspace("k"));
    const plan = one.keeper.preview(back);
    expect(one.keeper.commit(plan)).toBe(true);
    await one.keeper.saved();
    expect(one.keeper.history!.layouts.map(({ version }) => version.hash)).toContain(
      plan.version.hash,
    );
    await one.keeper.stop();
  });

  test.each(["leavingIds", "removedIds"] as const)(
    "commits nothing once it is in %s, also while that is on its way to the disk",
    async (list) => {
      const one = new Keeper();
      await one.found(1, 2);
      const without = { ...one.keeper.head!, members: [member(2)], [list]: [SELF] };
      expect(one.keeper.commit(one.keeper.preview(without))).toBe(true);
      expect(() => one.keeper.preview({ ...without, leavingIds: [] })).toThrow(
        /a commit is not possible: .* ask one of 10\.0\.0\.1:7002/,
      );
    },
  );

  test("refuses a layout of another ring", async () => {
    const one = new Keeper();
    await one.found(1);
    const other = new Keeper();
    const clusterId = "d0000000-0000-4000-8000-000000000000";
    other.keeper.found({ ...start(member(1)), clusterId });
    await other.keeper.saved();
    expect(() => one.keeper.offer(other.keeper.encoded(), memberId(2))).toThrow(
      /founded separately and cannot become one/,
    );
  });
});
