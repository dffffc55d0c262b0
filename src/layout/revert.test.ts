import { describe, expect, test } from "vitest";
import { commit, genesis } from "./commit.ts";
import { LayoutError } from "./layout.ts";
import { revertedContent } from "./revert.ts";
import { keyspace, member, memberId, start } from "./testing.suite.ts";

const founded = commit(genesis(start(member(1), member(2), member(3))), {
  kind: "create-keyspace",
  definition: keyspace("k"),
});

const allAlive = (): boolean => true;

function planned(fields: Partial<typeof founded>): typeof founded {
  const { members, keyspaces, leavingIds, removedIds } = { ...founded, ...fields };
  const content = { members, keyspaces, leavingIds, removedIds };
  return commit(founded, { kind: "plan", content });
}

describe("going back to the layout that is read from", () => {
  test("who was to leave stays", () => {
    const head = planned({ members: founded.members.slice(1), leavingIds: [memberId(1)] });
    const { members, leavingIds } = revertedContent(head, founded, allAlive);
    expect(members).toEqual(founded.members);
    expect(leavingIds).toEqual([]);
  });

  test("who was to come in leaves, or is removed if it is dead: its copy is incomplete", () => {
    const head = planned({ members: [...founded.members, member(4), member(5)] });
    const isAlive = (id: string): boolean => id !== memberId(5);
    const { members, leavingIds, removedIds } = revertedContent(head, founded, isAlive);
    expect(members).toEqual(founded.members);
    expect(leavingIds).toEqual([memberId(4)]);
    expect(removedIds).toEqual([memberId(5)]);
  });

  test("replication is as before, and a keyspace that came meanwhile stays", () => {
    const options = { replication_factor: "2" };
    const changed = founded.keyspaces.map((one) => ({
      ...one,
      replication: { class: "SimpleStrategy", options },
    }));
    const head = commit(planned({ keyspaces: changed }), {
      kind: "create-keyspace",
      definition: keyspace("later"),
    });
    const { keyspaces } = revertedContent(head, founded, allAlive);
    expect(keyspaces.find(({ name }) => name === "k")).toEqual(founded.keyspaces[0]);
    expect(keyspaces.map(({ name }) => name)).toContain("later");
  });

  test("a removal cannot be undone", () => {
    const head = planned({ members: founded.members.slice(1), removedIds: [memberId(1)] });
    expect(() => revertedContent(head, founded, allAlive)).toThrow(
      /was removed in it.*never comes back/,
    );
  });

  test("without a change under way there is nothing to go back from", () => {
    expect(() => revertedContent(founded, founded, allAlive)).toThrow(LayoutError);
  });
});
