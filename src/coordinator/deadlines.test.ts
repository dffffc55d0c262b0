import { describe, expect, it } from "vitest";
import { type DeadlineQueue, Deadlines, Expiring } from "./deadlines.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";

class Entry extends Expiring {
  readonly events: string[];
  readonly name: string;

  constructor(name: string, events: string[]) {
    super();
    this.name = name;
    this.events = events;
  }

  override expired(queue: DeadlineQueue): void {
    this.events.push(`${this.name}:${queue.limitMs}`);
  }
}

describe("Deadlines", () => {
  it("expire in order, each after the limit of its queue", () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    const [short, long] = [deadlines.queue(50), deadlines.queue(200)];
    const events: string[] = [];
    long.add(new Entry("a", events));
    short.add(new Entry("b", events));
    clock.advance(30);
    short.add(new Entry("c", events));
    clock.advance(30);
    expect(events).toEqual(["b:50"]);
    clock.advance(40);
    expect(events).toEqual(["b:50", "c:50"]);
    clock.advance(150);
    expect(events).toEqual(["b:50", "c:50", "a:200"]);
  });

  it("an entry that left does not expire, wherever it stood", () => {
    const clock = new ManualClock();
    const queue = new Deadlines(clock).queue(50);
    for (const leaving of [0, 1, 2]) {
      const events: string[] = [];
      const entries = ["a", "b", "c"].map((name) => new Entry(name, events));
      for (const entry of entries) queue.add(entry);
      const left = entries[leaving] as Entry;
      queue.remove(left);
      queue.remove(left);
      clock.advance(100);
      expect(events).toEqual(["a:50", "b:50", "c:50"].filter((_, at) => at !== leaving));
      expect(queue.isEmpty).toBe(true);
    }
  });

  it("a pause of the whole process hardly counts", () => {
    const clock = new ManualClock();
    const queue = new Deadlines(clock).queue(1000);
    const events: string[] = [];
    queue.add(new Entry("a", events));
    clock.advance(20);
    clock.advance(15_000, 15_000);
    expect(events).toEqual([]);
    clock.advance(1000);
    expect(events).toEqual(["a:1000"]);
  });

  it("no timer runs while nothing waits", () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    const queue = deadlines.queue(50);
    queue.add(new Entry("a", []));
    clock.advance(100);
    const before = deadlines.nowMs;
    clock.advance(1000);
    expect(deadlines.nowMs).toBe(before);
  });
});
