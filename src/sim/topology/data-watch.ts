/**
 * Looks at data while the ring changes, from inside of every member.
 *
 *   I19  nothing is applied that belongs to another layout, or to a session that is over
 *   I20  nobody reads from a layout before every quorum in it has whatever was acknowledged
 *   I23  cells are streamed to who will own them only; a range is dropped only where nobody reads it
 *        any more
 *
 * Streams can be told from everything else by their durability: clients never ask for `memory` here.
 */
import { FrameType, isSameLayout } from "../../codec/frames.ts";
import { headOf, readLayoutOf, requiredIds } from "../../layout/history.ts";
import { replicationFactors } from "../../layout/keyspace-table.ts";
import type { Layout, LayoutKeyspace } from "../../layout/layout.ts";
import type { Version } from "../../model/version.ts";
import { compareHalves } from "../../ring/token.ts";
import type { TokenSpan } from "../../storage/engine.ts";
import { compareVersions } from "../../versions/compare.ts";
import { type Violation, type WriteRecord, isWrite, showVersion } from "../history.ts";
import type { Recorder } from "../recorder.ts";
import type { Process, SimulatedMachine } from "../simulated-machine.ts";
import { bytesOf, splitKey } from "../wishes.ts";
import type { LayoutTables, Token } from "./layout-tables.ts";
import { type LayoutWatch, show } from "./layout-watch.ts";

/** Hex digits of a layout's hash that frames carry. */
const STAMP_DIGITS = 8;

export interface DataWatchDeps {
  readonly watch: LayoutWatch;
  readonly tables: LayoutTables;
  readonly machines: () => readonly SimulatedMachine[];
  readonly recorder: Recorder;
  /** Every key that clients use, as `keyspace/key`. */
  readonly keys: readonly string[];
  readonly onViolation: (violation: Violation) => void;
}

interface Acknowledged extends Token {
  readonly key: string;
  readonly version: Version;
  /** That of the quorum, where it was one of a datacenter. */
  readonly dc: string | undefined;
}

export class DataWatch {
  readonly #deps: DataWatchDeps;
  /** The newest version of each key that a quorum has acknowledged. */
  readonly #acknowledged = new Map<string, Acknowledged>();
  #operationsSeen = 0;
  readonly #readFrom = new Set<string>();

  constructor(deps: DataWatchDeps) {
    this.#deps = deps;
  }

  /** Puts the watch into a process that was just made. */
  boot(machine: SimulatedMachine, process: Process): void {
    const { engine } = process;
    let isForeign = false;
    const put = engine.put.bind(engine);
    const drop = engine.drop.bind(engine);
    const watchedEngine: Pick<typeof engine, "put" | "drop"> = {
      put: (write, durability, sink) => {
        if (durability === "memory") this.#streamed(machine, process, write);
        else if (isForeign)
          this.#broken("I19", `machine ${machine.index} applies a write of another layout`);
        put(write, durability, sink);
      },
      drop: (keyspaceId, span, sink) => {
        this.#dropped(machine, keyspaceId, span);
        drop(keyspaceId, span, sink);
      },
    };
    Object.assign(engine, watchedEngine);
    const { coordinator } = process.member;
    const frame = coordinator.frame.bind(coordinator);
    const watchedCoordinator: Pick<typeof coordinator, "frame"> = {
      frame: (link, bytes, start, end) => {
        isForeign = bytes[start + 4] === FrameType.write && !this.#isOwn(machine, bytes, start);
        try {
          frame(link, bytes, start, end);
        } finally {
          isForeign = false;
        }
      },
    };
    Object.assign(coordinator, watchedCoordinator);
  }

  /** A member goes over to another state of its layouts. */
  used(machine: SimulatedMachine): void {
    const history = this.#deps.watch.last(machine.index)?.history;
    if (history === undefined) return;
    const layout = readLayoutOf(history);
    if (this.#readFrom.has(layout.version.hash)) return;
    this.#readFrom.add(layout.version.hash);
    this.#learn();
    for (const acknowledged of this.#acknowledged.values()) this.#checkHeld(layout, acknowledged);
  }

  #learn(): void {
    const { operations } = this.#deps.recorder;
    for (; this.#operationsSeen < operations.length; this.#operationsSeen++) {
      const operation = operations[this.#operationsSeen];
      if (operation === undefined || !isWrite(operation) || operation.outcome !== "ok") continue;
      const { level } = operation;
      if (level === "LOCAL_QUORUM") {
        this.#acknowledge(operation, this.#deps.recorder.datacenters[operation.member]);
      } else if (level === "QUORUM" || level === "EACH_QUORUM" || level === "ALL") {
        this.#acknowledge(operation, undefined);
      }
    }
  }

  #acknowledge({ key, version }: WriteRecord, dc: string | undefined): void {
    if (version === undefined) return;
    const name = `${dc ?? ""} ${key}`;
    const known = this.#acknowledged.get(name);
    if (known !== undefined && compareVersions(known.version, version) >= 0) return;
    const token = this.#deps.tables.tokenOf(splitKey(key)[1]);
    this.#acknowledged.set(name, { key, version, dc, ...token });
  }

  #checkHeld(layout: Layout, acknowledged: Acknowledged): void {
    const { key, version, hi, lo } = acknowledged;
    const [name, bareKey] = splitKey(key);
    const keyspace = layout.keyspaces.find((one) => one.name === name);
    if (keyspace === undefined) return;
    const { total, perDatacenter } = replicationFactors(layout, keyspace);
    const dc = perDatacenter === undefined ? undefined : acknowledged.dc;
    const factor = dc === undefined ? total : (perDatacenter?.get(dc) ?? 0);
    if (factor === 0) return;
    const holders = this.#deps.tables.holders(layout, keyspace, { hi, lo });
    const lacking = holders.filter((holder) => {
      if (dc !== undefined && holder.dc !== dc) return false;
      const { id } = holder;
      const { process } = this.#deps.machines().find((one) => this.#idOf(one) === id) ?? {};
      // What a member that is down has on its disk nobody can see now.
      if (process?.isReady !== true) return false;
      const head = process.engine.head(keyspace.id, hi, lo, bytesOf(bareKey));
      return head === undefined || compareVersions(head, version) < 0;
    });
    const quorum = Math.floor(factor / 2) + 1;
    if (lacking.length < quorum) return;
    const message =
      `layout ${show(layout.version)} is read from, and a quorum of it, ` +
      `${lacking.map(({ address }) => address).join(", ")}, lacks ${key} ${showVersion(version)}`;
    this.#broken("I20", message);
  }

  #isOwn(machine: SimulatedMachine, bytes: Buffer, start: number): boolean {
    const history = this.#deps.watch.last(machine.index)?.history;
    if (history === undefined) return false;
    const { counter, hash } = headOf(history).version;
    const stamp = { counter, hash: Number.parseInt(hash.slice(0, STAMP_DIGITS), 16) };
    return isSameLayout(bytes, start, stamp);
  }

  #streamed(
    machine: SimulatedMachine,
    process: Process,
    write: { keyspaceId: number; tokenHi: number; tokenLo: number },
  ): void {
    const tasks = process.member.admin.tasks();
    const isOpen = tasks.some(
      ({ kind, state }) => kind !== "cleanup" && (state === "running" || state === "waiting"),
    );
    if (!isOpen)
      this.#broken("I19", `machine ${machine.index} takes a cell outside of any session`);
    const history = this.#deps.watch.last(machine.index)?.history;
    const head = history === undefined ? undefined : headOf(history);
    const keyspace = head?.keyspaces.find(({ id }) => id === write.keyspaceId);
    if (head === undefined || keyspace === undefined) return;
    const token = { hi: write.tokenHi, lo: write.tokenLo };
    if (this.#isHolder(head, keyspace, { token, id: this.#idOf(machine) })) return;
    const message = `machine ${machine.index} takes a cell that layout ${show(head.version)} gives to others`;
    this.#broken("I23", message);
  }

  #isHolder(
    layout: Layout,
    keyspace: LayoutKeyspace,
    { token, id }: { token: Token; id: string | undefined },
  ): boolean {
    return this.#deps.tables.holders(layout, keyspace, token).some((holder) => holder.id === id);
  }

  #dropped(machine: SimulatedMachine, keyspaceId: number, span: TokenSpan): void {
    const { watch, tables } = this.#deps;
    const history = watch.last(machine.index)?.history;
    if (history === undefined) return;
    this.#recordDrop(machine, keyspaceId, span);
    const where = `machine ${machine.index} drops a range`;
    if (history.layouts.length > 1) this.#broken("I23", `${where} while the ring changes`);
    const head = headOf(history);
    const keyspace = head.keyspaces.find(({ id }) => id === keyspaceId);
    if (keyspace === undefined) return;
    const id = this.#idOf(machine);
    const isOwner = tables
      .table(head, keyspace)
      .ranges()
      .some(({ endHi, endLo, replicas }) => {
        const isOwn = replicas.members.some((index) => head.members[index]?.id === id);
        return isOwn && isWithin(span, endHi, endLo);
      });
    if (isOwner) this.#broken("I23", `${where} that it owns in layout ${show(head.version)}`);
    for (const other of requiredIds(history)) {
      const reads = watch.lastOf(other)?.history.reads ?? 0;
      if (reads >= head.version.counter) continue;
      const message = `${where} while ${other} reads from ${reads} and not from ${show(head.version)}`;
      this.#broken("I23", message);
    }
  }

  #recordDrop({ index }: SimulatedMachine, keyspaceId: number, span: TokenSpan): void {
    const { watch, tables, keys, recorder } = this.#deps;
    const history = watch.last(index)?.history;
    const keyspace = history && headOf(history).keyspaces.find(({ id }) => id === keyspaceId);
    const dropped = keys.filter((key) => {
      const [name, bareKey] = splitKey(key);
      const { hi, lo } = tables.tokenOf(bareKey);
      return name === keyspace?.name && isWithin(span, hi, lo);
    });
    recorder.drop(index, new Set(dropped));
  }

  #idOf(machine: SimulatedMachine): string | undefined {
    return this.#deps.watch.idOf(machine.index);
  }

  #broken(invariant: string, message: string): void {
    this.#deps.onViolation({ invariant, message });
  }
}

function isWithin({ startHi, startLo, endHi, endLo }: TokenSpan, hi: number, lo: number): boolean {
  const isAfterStart = compareHalves(hi, lo, startHi, startLo) > 0;
  const isUpToEnd = compareHalves(hi, lo, endHi, endLo) <= 0;
  const isWrapping = compareHalves(startHi, startLo, endHi, endLo) >= 0;
  return isWrapping ? isAfterStart || isUpToEnd : isAfterStart && isUpToEnd;
}
