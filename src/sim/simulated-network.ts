/**
 * The network of one simulated cluster: who can reach whom, how fast, and what gets lost.
 *
 * Two kinds of faults. What TCP shows to a program: delay, links that break with everything in
 * flight, peers that vanish without a word, paths that stand still and then deliver everything at
 * once. And what TCP hides, which the protocol above must bear all the same, because a client that
 * tries again or a proxy in between can cause it: single frames lost, duplicated or overtaken.
 *
 * Paths are one-way: what goes from A to B may be blocked while answers still pass.
 */
import { type Uint32Source, randomFraction } from "../util/random.ts";
import type { EventLog } from "./event-log.ts";
import type { SimulatedTransport } from "./simulated-transport.ts";
import type { VirtualTime } from "./virtual-clock.ts";

export interface NetworkFaults {
  readonly delayMinMs: number;
  /** Mean of what is added to the minimum; four times that at most. */
  readonly delayMeanMs: number;
  /** Probability of each frame to be lost while its link lives on. */
  readonly frameLoss: number;
  /** Probability of each frame to arrive twice. */
  readonly frameDuplication: number;
  /** Probability of each frame to be overtaken by those behind it. */
  readonly frameReorder: number;
  /** Probability of each write to a link to break it. */
  readonly linkBreak: number;
  /** Bytes that may be on their way in one direction of a link. */
  readonly queueBytesMax: number;
}

export const CALM_NETWORK: NetworkFaults = {
  delayMinMs: 0.1,
  delayMeanMs: 0.2,
  frameLoss: 0,
  frameDuplication: 0,
  frameReorder: 0,
  linkBreak: 0,
  queueBytesMax: 16 * 1024 * 1024,
};

/** What a blocked path does: `hold` delivers everything later, as TCP would; `drop` never does. */
export type BlockMode = "hold" | "drop";

/** After this long without a sign of life of a peer that is gone, its links break. */
const KEEP_ALIVE_MS = 8000;

interface Block {
  readonly mode: BlockMode;
  readonly held: (() => void)[];
}

export interface SimulatedNetworkDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly log: EventLog;
}

export class SimulatedNetwork {
  readonly #deps: SimulatedNetworkDeps;
  readonly #listeners = new Map<string, SimulatedTransport>();
  readonly #blocks = new Map<string, Block>();
  #connectionCount = 0;
  faults: NetworkFaults;

  constructor(deps: SimulatedNetworkDeps, faults: NetworkFaults) {
    this.#deps = deps;
    this.faults = faults;
  }

  get keepAliveMs(): number {
    return KEEP_ALIVE_MS * (0.5 + randomFraction(this.#deps.rng));
  }

  nextConnectionId(): number {
    return ++this.#connectionCount;
  }

  listen(address: string, transport: SimulatedTransport): void {
    this.#listeners.set(address, transport);
  }

  /** Nobody listens there any more, if it was this one. */
  unlisten(address: string, transport: SimulatedTransport): void {
    if (this.#listeners.get(address) === transport) this.#listeners.delete(address);
  }

  listener(address: string): SimulatedTransport | undefined {
    return this.#listeners.get(address);
  }

  chance(probability: number): boolean {
    return probability > 0 && randomFraction(this.#deps.rng) < probability;
  }

  /**
   * Something leaves `from` for `to`; `arrive` runs when it is there, not before `notBeforeMs`.
   * Returns when that will be, as far as it is known now.
   */
  carry(from: string, to: string, notBeforeMs: number, arrive: () => void): number {
    const { time } = this.#deps;
    const atMs = Math.max(time.nowMs + this.#delayMs(), notBeforeMs);
    const pass = (): void => {
      const block = this.#blocks.get(`${from} ${to}`);
      if (block === undefined) arrive();
      else if (block.mode === "hold") block.held.push(arrive);
    };
    time.schedule(atMs, pass);
    return atMs;
  }

  block(from: string, to: string, mode: BlockMode): void {
    const path = `${from} ${to}`;
    if (this.#blocks.has(path)) return;
    this.#blocks.set(path, { mode, held: [] });
    this.#deps.log.record(this.#deps.time.nowMs, "block", [from, to, mode]);
  }

  unblock(from: string, to: string): void {
    const path = `${from} ${to}`;
    const block = this.#blocks.get(path);
    if (block === undefined) return;
    this.#blocks.delete(path);
    this.#deps.log.record(this.#deps.time.nowMs, "unblock", [from, to, block.held.length]);
    for (const arrive of block.held) this.#deps.time.schedule(this.#deps.time.nowMs, arrive);
  }

  /** Ends every fault. */
  heal(): void {
    this.faults = CALM_NETWORK;
    for (const path of this.#blocks.keys()) {
      const [from = "", to = ""] = path.split(" ");
      this.unblock(from, to);
    }
  }

  /** Extra time by which an overtaken frame is late. */
  overtakenMs(): number {
    const { delayMinMs, delayMeanMs } = this.faults;
    return randomFraction(this.#deps.rng) * (delayMinMs + delayMeanMs) * 8;
  }

  #delayMs(): number {
    const { delayMinMs, delayMeanMs } = this.faults;
    const fraction = randomFraction(this.#deps.rng);
    // The cube of a fraction has mean 1/4 and a tail. By multiplication, which is exact everywhere;
    // powers and logarithms differ in the last bit from one version of V8 to the next.
    return delayMinMs + delayMeanMs * 4 * fraction * fraction * fraction;
  }
}
