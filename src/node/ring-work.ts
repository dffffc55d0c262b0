/**
 * What a member does for the ring besides serving requests: takes in who wants to join, retires who
 * has left, fetches what a new layout gives it, drops what it does not hold any more.
 *
 * None of it is decided here. Each chore looks at the layouts in use and at what gossip knows, and does
 * what is missing; called with all news, it does nothing most of the time.
 */
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { Ask } from "../codec/ask.ts";
import type { RangeSyncState } from "../healing/range-sync.ts";
import { readChunk } from "../healing/stream-source.ts";
import { TaskRegister } from "../healing/tasks.ts";
import { type LayoutHistory, headOf } from "../layout/history.ts";
import type { Layout } from "../layout/layout.ts";
import type { Clock, Logger, Rng } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import type { NetstatsView, StreamView, TaskView } from "../model/topology-api.ts";
import type { Disk } from "../storage/disk.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { must } from "../util/assert.ts";
import type { HybridClock } from "../versions/hybrid-clock.ts";
import { isCommitter } from "./agreement.ts";
import { CleanupWork } from "./cleanup-work.ts";
import { loadDocument, saveDocument } from "./documents.ts";
import type { GossipShell } from "./gossip-shell.ts";
import type { Identity } from "./identity.ts";
import { JOIN_REFUSED, JoinRequests } from "./join-requests.ts";
import type { LayoutKeeper } from "./layout-keeper.ts";
import { OutgoingStreams } from "./outgoing-streams.ts";
import type { PeerDirectory } from "./peer-directory.ts";
import { rebuildDuties } from "./rebuild.ts";
import { type SyncDeps, SyncRunner, SyncTask } from "./sync-runner.ts";

const TASKS_DOCUMENT = "tasks.json";
const ASK_TIMEOUT_MS = 10_000;

export interface RingWorkDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly disk: Disk;
  readonly engine: StorageEngine;
  readonly hybridClock: HybridClock;
  readonly coordinator: Coordinator;
  readonly keeper: LayoutKeeper;
}

export interface RingWorkOptions {
  readonly streamBytesPerSecond: number;
}

/** What the work needs of a member that runs. */
export interface RingWorkRunning {
  readonly identity: Identity;
  readonly gossip: GossipShell;
  readonly peers: PeerDirectory;
}

export class RingWork {
  readonly tasks: TaskRegister;
  readonly #deps: RingWorkDeps;
  readonly #options: RingWorkOptions;
  readonly #joins: JoinRequests;
  readonly #sync: SyncRunner;
  readonly #cleanup: CleanupWork;
  readonly #outgoing: OutgoingStreams;
  /** Those that are under way, with the hash of the layout that they are for. */
  readonly #rebuilds = new Map<SyncTask, string>();
  #running: RingWorkRunning | undefined;
  #isReviewing = false;
  #isStopped = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(deps: RingWorkDeps, options: RingWorkOptions) {
    this.#deps = deps;
    this.#options = options;
    this.tasks = new TaskRegister({ clock: deps.clock, onChange: () => this.#saveTasks() });
    this.#joins = new JoinRequests({
      ...deps,
      onRefusals: (text) => this.#tellRefusals(text),
      onChosen: () => this.review(),
    });
    this.#sync = new SyncRunner({ ...deps, ...this.#syncDeps() }, options);
    this.#outgoing = new OutgoingStreams(deps);
    this.#cleanup = new CleanupWork({ ...deps, tasks: this.tasks });
  }

  /** Takes up what an earlier run left. Throws DocumentError. */
  useRunning(running: RingWorkRunning): void {
    this.#running = running;
    const document = loadDocument(this.#deps.disk, TASKS_DOCUMENT);
    if (document !== undefined) this.tasks.restore(document);
    // A cleanup begins anew by itself; a rebuild is for whoever asked for it to repeat.
    this.tasks.giveUp(({ kind }) => kind === "cleanup");
    this.tasks.giveUp(({ kind }) => kind === "rebuild", "the member was restarted; start it again");
    this.#sync.start(running.identity.memberId);
    this.#cleanup.start(running.identity.memberId);
  }

  /** Looks for something to do. Called with all news, and never while it is at it. */
  review(): void {
    const { history } = this.#deps.keeper;
    if (this.#running === undefined || history === undefined) return;
    if (this.#isReviewing || this.#isStopped) return;
    this.#isReviewing = true;
    try {
      this.#serveRing(history, this.#running);
    } finally {
      this.#isReviewing = false;
    }
    this.#sync.review();
    this.#cleanup.review();
    this.#endOldRebuilds(headOf(history));
  }

  /** A peer asks for a chunk of what this member has. */
  serveStream(keyspaceId: number, body: Buffer, from: string): Buffer {
    const chunk = readChunk(this.#deps.engine, keyspaceId, body);
    this.#outgoing.sent({ peer: from, keyspaceId }, chunk);
    return chunk;
  }

  netstats(mode: NetstatsView["mode"]): NetstatsView {
    const { keeper } = this.#deps;
    const head = keeper.head;
    const outgoing = this.#outgoing
      .current()
      .map(({ peer, keyspaceId, bytes, cells }): StreamView => ({
        peer,
        direction: "out",
        keyspace: keyspaceName(head, keyspaceId),
        bytes,
        cells,
      }));
    const syncs = [this.#sync.state, ...[...this.#rebuilds.keys()].map(({ sync }) => sync.state())];
    const incoming = syncs
      .flatMap((state) => (state === undefined || !isUnderWay(state) ? [] : state.traffic))
      .map((traffic): StreamView => ({
        peer: this.#nameOf(traffic.memberId),
        direction: "in",
        keyspace: keyspaceName(head, traffic.keyspaceId),
        bytes: traffic.bytes,
        cells: traffic.cells,
      }));
    return { mode, streams: [...incoming, ...outgoing], tasks: this.tasks.list() };
  }

  /** Something has come late that this member does not own. */
  strayWrite(): void {
    this.#cleanup.again();
  }

  cleanup(): Promise<{ cells: number; bytes: number }> {
    return this.#cleanup.run();
  }

  /** Throws KvError if there is nobody to fetch from. */
  rebuild(sourceDc: string | undefined): TaskView {
    const head = must(this.#deps.keeper.head, "a member that is asked has a layout");
    const { memberId } = must(this.#running, "a member that is asked runs").identity;
    const duties = rebuildDuties(head, memberId, sourceDc);
    if (duties.length === 0) {
      const where = sourceDc === undefined ? "" : ` in datacenter '${sourceDc}'`;
      const reason = `this member holds no range that has another replica${where}`;
      throw new KvError({ code: "CHANGE_REFUSED", change: "rebuild", reason });
    }
    const from = sourceDc === undefined ? "its other replicas" : `datacenter ${sourceDc}`;
    const job: SyncTask = new SyncTask(
      {
        ...this.#syncDeps(),
        onProgress: ({ phase }) => {
          if (phase === "done" || phase === "cancelled") this.#rebuilds.delete(job);
        },
      },
      this.#options,
      {
        kind: "rebuild",
        subject: `${head.version.hash} ${sourceDc ?? ""} ${this.#deps.clock.wallMs()}`,
        title: `rebuild ${duties.length} ranges from ${from}`,
        total: duties.length,
      },
    );
    this.#rebuilds.set(job, head.version.hash);
    job.sync.start(duties);
    return job.task.view;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#sync.stop();
    for (const { sync } of this.#rebuilds.keys()) await sync.stop();
    await this.#cleanup.stop();
    await this.#saving;
  }

  /** In another layout this member may hold other ranges, and others may hold them with it. */
  #endOldRebuilds({ version }: Layout): void {
    for (const [job, hash] of this.#rebuilds) {
      if (hash === version.hash) continue;
      this.#rebuilds.delete(job);
      job.task.fail("the ring has changed; start it again");
      void job.sync.stop();
    }
  }

  /** What one member does for all. */
  #serveRing(history: LayoutHistory, { gossip, identity }: RingWorkRunning): void {
    const members = gossip.members();
    const selfId = identity.memberId;
    const head = headOf(history);
    this.#joins.review(head, members, (sponsor) =>
      isCommitter(history, members, { selfId, sponsor }),
    );
    if (history.layouts.length > 1 || head.leavingIds.length === 0) return;
    if (!isCommitter(history, members, { selfId })) return;
    const gone = head.leavingIds.filter((id) => {
      const member = members.find((one) => one.id === id);
      return member?.isAlive !== true || member.states["STATUS"]?.value === "LEFT";
    });
    if (gone.length > 0) this.#deps.keeper.propose([() => ({ kind: "retired", ids: gone })]);
  }

  #tellRefusals(value: string): void {
    this.#running?.gossip.input({ kind: "set-state", name: JOIN_REFUSED, value, isUrgent: true });
  }

  #syncDeps(): SyncDeps {
    const { hybridClock } = this.#deps;
    return {
      ...this.#deps,
      tasks: this.tasks,
      ask: this.#ask,
      isAlive: (id) => this.#running?.peers.get(id)?.isAlive ?? false,
      nameOf: (id) => this.#nameOf(id),
      observe: (timestamp) => hybridClock.observe(timestamp),
    };
  }

  readonly #ask: Ask = (question) => this.#deps.coordinator.ask(question, ASK_TIMEOUT_MS);

  #nameOf(memberId: string): string {
    return this.#running?.peers.get(memberId)?.address ?? memberId;
  }

  #saveTasks(): void {
    const save = (): Promise<void> =>
      saveDocument(this.#deps.disk, TASKS_DOCUMENT, this.tasks.document()).catch(
        (error: unknown) => {
          this.#deps.logger.warn("tasks.not-saved", { error: String(error) });
        },
      );
    this.#saving = this.#saving.then(save);
  }
}

/** It streams, or will go on when it can or may. */
function isUnderWay({ phase }: RangeSyncState): boolean {
  return phase === "running" || phase === "waiting" || phase === "paused";
}

function keyspaceName(layout: Layout | undefined, keyspaceId: number): string {
  const keyspace = layout?.keyspaces.find(({ id }) => id === keyspaceId);
  return keyspace?.name ?? String(keyspaceId);
}
