import fc from "fast-check";
import { pack, unpack } from "msgpackr";
import { describe, expect, test } from "vitest";
import { UntrustedDataError } from "../util/untrusted.ts";
import { commit, genesis } from "./commit.ts";
import { type LayoutHistory, append, historyOf } from "./history.ts";
import { decodeHistory, encodeHistory } from "./history-encoding.ts";
import { LayoutError } from "./layout.ts";
import { CLUSTER_ID, member, start } from "./testing.suite.ts";

const founded = genesis(start(member(1)));
const second = commit(founded, { kind: "add-member", member: member(2) });
const history: LayoutHistory = append(historyOf(founded), second);

describe("a history as plain data", () => {
  test("survives files and messages", () => {
    const data = encodeHistory(history);
    expect(decodeHistory(JSON.parse(JSON.stringify(data)))).toEqual(history);
    expect(decodeHistory(unpack(pack(data)))).toEqual(history);
  });

  test("must read from one of its layouts", () => {
    expect(() => decodeHistory({ ...encodeHistory(history), reads: 7 })).toThrow(
      UntrustedDataError,
    );
  });

  test("has layouts of one cluster, in order", () => {
    const { layouts, reads } = encodeHistory(history);
    expect(() => decodeHistory({ layouts: layouts.toReversed(), reads })).toThrow(/ascending/);
    const other = genesis({
      ...start(member(3)),
      clusterId: CLUSTER_ID.replace("c", "d"),
    });
    const mixed = encodeHistory({ layouts: [other, second], reads: 1 });
    expect(() => decodeHistory(mixed)).toThrow(UntrustedDataError);
  });

  test("whatever it is made of, it is a history or an error that says where", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (layouts, reads) => {
        let problem: unknown;
        try {
          decodeHistory({ layouts, reads });
        } catch (error) {
          problem = error;
        }
        expect(problem instanceof UntrustedDataError || problem instanceof LayoutError).toBe(true);
      }),
    );
  });
});
