import { describe, expect, it } from "vitest";
import { SeededRng } from "../util/random.ts";
import { ProcessClock, VirtualTime, WALL_START_MS } from "./virtual-clock.ts";

function setUp() {
  const errors: unknown[] = [];
  const time = new VirtualTime((error) => errors.push(error));
  const wall = { skewMs: 0 };
  const options = { timerLatenessMs: 0 };
  const start = () => new ProcessClock({ time, rng: new SeededRng(1), wall }, options);
  return { time, wall, errors, start };
}

describe("VirtualTime", () => {
  it("runs timers by time, then by order of registration", async () => {
    const { time, start } = setUp();
    const clock = start();
    const ran: string[] = [];
    clock.setTimer(20, () => ran.push(`c at ${time.nowMs}`));
    clock.setTimer(10, () => ran.push(`a at ${time.nowMs}`));
    clock.setTimer(10, () => ran.push(`b at ${time.nowMs}`));
    clock.setTimer(15, () => ran.push("never")).cancel();
    await time.runFor(100);
    expect(ran).toEqual(["a at 10", "b at 10", "c at 20"]);
    expect(time.nowMs).toBe(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it("runs all promise callbacks of an event before what it deferred, and both before the next", async () => {
    const { time, start } = setUp();
    const clock = start();
    const ran: string[] = [];
    clock.setTimer(1, () => {
      clock.defer(() => ran.push("deferred"));
      void (async () => {
        for (let turn = 0; turn < 100; turn++) await Promise.resolve();
        ran.push("promise");
        clock.defer(() => ran.push("deferred later"));
      })();
      ran.push("event");
    });
    clock.setTimer(1, () => ran.push("next event"));
    await time.runFor(5);
    expect(ran).toEqual(["event", "promise", "deferred", "deferred later", "next event"]);
  });

  it("stops at the event that makes the condition true", async () => {
    const { time, start } = setUp();
    const clock = start();
    let count = 0;
    const tick = (): void => {
      count++;
      clock.setTimer(10, tick);
    };
    tick();
    expect(await time.runUntil(() => count === 4, 1000)).toBe(true);
    expect(time.nowMs).toBe(30);
    expect(await time.runUntil(() => false, 100)).toBe(false);
    expect(time.nowMs).toBe(100);
  });

  it("hands on what an event throws", async () => {
    const { time, start, errors } = setUp();
    start().setTimer(1, () => {
      throw new Error("broken");
    });
    await time.runFor(5);
    expect(errors).toMatchObject([{ message: "broken" }]);
  });
});

describe("ProcessClock", () => {
  it("shows a wall clock that may jump, and a monotonic one that does not", async () => {
    const { time, wall, start } = setUp();
    const clock = start();
    await time.runFor(1000);
    wall.skewMs = -5000;
    expect(clock.wallMs()).toBe(WALL_START_MS + 1000 - 5000);
    expect(clock.monotonicMs()).toBe(1000);
    expect(start().monotonicMs()).toBe(0);
  });

  it("runs nothing of a process that was killed", async () => {
    const { time, start } = setUp();
    const clock = start();
    const ran: string[] = [];
    clock.setTimer(10, () => ran.push("timer"));
    clock.input(10, () => ran.push("input"));
    time.schedule(5, () => {
      clock.defer(() => ran.push("deferred"));
      clock.kill();
    });
    await time.runFor(100);
    expect(ran).toEqual([]);
  });

  it("keeps what is due while a process is frozen, and runs it all when it goes on", async () => {
    for (const first of ["timer", "input"] as const) {
      const { time, start } = setUp();
      const clock = start();
      const ran: string[] = [];
      const note = (name: string) => () => ran.push(`${name} at ${time.nowMs}`);
      clock.setTimer(10, note("timer"));
      clock.input(12, note("input"));
      clock.setTimer(14, note("timer"));
      const cancelled = clock.setTimer(16, note("never"));
      clock.setTimer(80, note("later"));
      clock.freeze();
      await time.runFor(50);
      expect(ran).toEqual([]);
      expect(clock.frozenMs).toBe(50);
      cancelled.cancel();
      clock.thaw(first);
      await time.runFor(50);
      const inTurn = first === "timer" ? ["timer", "timer", "input"] : ["input", "timer", "timer"];
      expect(ran).toEqual([...inTurn.map((name) => `${name} at 50`), "later at 80"]);
      expect(clock.frozenMs).toBe(50);
    }
  });
});
