import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RespCommand } from "../codec/resp-command.ts";
import { type Access, keyCount, KeyOrder, type Ticket } from "./key-order.ts";

const ALL = { first: 1, last: -1, step: 1 };
const ONE = { first: 1, last: 1, step: 1 };

function commandOf(...words: readonly string[]): RespCommand {
  const command = new RespCommand();
  command.bytes = Buffer.from(words.join(""));
  command.reset();
  let position = 0;
  for (const word of words) {
    command.add(position, position + word.length);
    position += word.length;
  }
  return command;
}

interface Held {
  readonly access: Access;
  readonly keys: readonly string[];
  readonly ticket: Ticket;
}

/** Whether two commands may run at the same time, by definition. */
function conflict(one: Held, access: Access, keys: readonly string[]): boolean {
  if (one.access === "none" || access === "none") return false;
  const isBarrier = (which: Access, of: readonly string[]): boolean =>
    which === "barrier" || (which === "exclusive" && of.length > 1);
  if (isBarrier(one.access, one.keys) || isBarrier(access, keys)) return true;
  if (!one.keys.some((key) => keys.includes(key))) return false;
  return one.access !== access || access === "exclusive";
}

describe("KeyOrder", () => {
  const access = fc.constantFrom<Access>("none", "read", "write", "exclusive", "barrier");
  // Few keys, known to lie in different buckets, so that the definition is exact.
  const keys = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 });
  const step = fc.oneof(
    fc.record({ access, keys }),
    fc.nat(5).map((index) => ({ leave: index })),
  );

  test("admits exactly the commands that conflict with none that runs", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const order = new KeyOrder();
        const held: Held[] = [];
        for (const each of steps) {
          if ("leave" in each) {
            const [left] = held.splice(each.leave, 1);
            if (left !== undefined) order.leave(left.access, left.ticket);
            continue;
          }
          const ticket = order.enter(each.access, ALL, commandOf("x", ...each.keys));
          const isAdmitted = !held.some((one) => conflict(one, each.access, each.keys));
          expect(ticket !== undefined).toBe(isAdmitted);
          if (ticket !== undefined) held.push({ ...each, ticket });
        }
        for (const one of held) order.leave(one.access, one.ticket);
        expect(order.enter("barrier", undefined, commandOf("x"))).toBeDefined();
      }),
      { numRuns: 500 },
    );
  });

  test("two writers of one key, then a reader that waits for both", () => {
    const order = new KeyOrder();
    const command = commandOf("x", "key");
    const one = order.enter("write", ONE, command);
    const other = order.enter("write", ONE, command);
    expect(order.enter("read", ONE, command)).toBeUndefined();
    order.leave("write", one as Ticket);
    expect(order.enter("read", ONE, command)).toBeUndefined();
    order.leave("write", other as Ticket);
    expect(order.enter("read", ONE, command)).toBeDefined();
  });

  test("keyCount counts the keys between first and last", () => {
    expect(keyCount(ONE, 5)).toBe(1);
    expect(keyCount(ALL, 4)).toBe(3);
    expect(keyCount({ first: 1, last: -1, step: 2 }, 5)).toBe(2);
    expect(keyCount(ALL, 1)).toBe(0);
  });
});
