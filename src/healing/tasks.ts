/**
 * The long tasks of this member: what runs, how far it is, when it will be through, and what became
 * of what ran before.
 *
 * The register keeps the books only. Whoever does the work opens a task, tells how far it is, and
 * gives it the handles that pause, resume and cancel it. Tasks survive a restart as plain JSON: those
 * that were under way come back as `waiting: restarted`, until their owner opens them again by their
 * subject.
 */
import type { Clock } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import type { TaskState, TaskView } from "../model/topology-api.ts";
import {
  type Untrusted,
  asInteger,
  asList,
  asOneOf,
  asOptional,
  asRecord,
  asText,
} from "../util/untrusted.ts";
import { MovingRate } from "./moving-rate.ts";

/** How the owner of a task is told what people want; what is missing is refused. */
export interface TaskControl {
  /** How far it is now: asked whenever somebody looks, because owners tell what is durable only. */
  readonly progress?: (() => Pick<TaskUpdate, "bytes" | "share">) | undefined;
  readonly pause?: (() => Promise<void>) | undefined;
  readonly resume?: (() => Promise<void>) | undefined;
  readonly cancel?: (() => Promise<void>) | undefined;
}

export interface NewTask {
  readonly kind: TaskView["kind"];
  /** By what its owner knows it again after a restart, e.g. a layout version. */
  readonly subject: string;
  /** One line for people. */
  readonly title: string;
  readonly unit: TaskView["unit"];
  readonly total: number;
}

/** What has changed of a task; the rest stays as it is. */
export interface TaskUpdate {
  readonly state?: "running" | "paused" | undefined;
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  readonly bytes?: number | undefined;
  /** How far it is, 0 .. 1, if that is known better than by `done` of `total`. */
  readonly share?: number | undefined;
}

/** A task in the hands of its owner. Once it is over, nothing changes it any more. */
export interface TaskHandle {
  readonly id: string;
  readonly view: TaskView;
  update(update: TaskUpdate): void;
  /** It cannot go on by itself at present. */
  wait(reason: string): void;
  finish(): void;
  /** It ended with a failure. `resume` begins it again if its owner can do that. */
  fail(reason: string): void;
  cancelled(): void;
}

export interface TaskRegisterDeps {
  readonly clock: Clock;
  /** A task came, ended, or is in another state: what is written down should be written anew. */
  readonly onChange?: (() => void) | undefined;
}

export interface TaskRegisterOptions {
  /** Tasks that are over and remembered, at most. */
  readonly historyMax: number;
}

/** The register as plain JSON. */
export interface TaskDocument {
  readonly next: number;
  readonly tasks: readonly TaskRecord[];
}

/** What is known of a task beside its pace. */
type TaskFacts = Omit<TaskView, "etaSeconds" | "share">;

type TaskRecord = Omit<TaskFacts, "reason" | "finishedAtMs"> & {
  readonly subject: string;
  readonly reason: string | null;
  readonly finishedAtMs: number | null;
};

const DEFAULT_OPTIONS: TaskRegisterOptions = { historyMax: 100 };
const STATES: readonly TaskState[] = [
  "running",
  "paused",
  "waiting",
  "done",
  "failed",
  "cancelled",
];

export class TaskRegister {
  readonly #deps: TaskRegisterDeps;
  readonly #options: TaskRegisterOptions;
  /** In the order in which they began. */
  readonly #tasks = new Map<string, Task>();
  #next = 1;

  constructor(deps: TaskRegisterDeps, options: Partial<TaskRegisterOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...DEFAULT_OPTIONS, ...options };
  }

  /** All tasks, the latest first. */
  list(): readonly TaskView[] {
    return [...this.#tasks.values()].map(({ view }) => view).reverse();
  }

  /** A new task, or the one of this kind and subject that is not done: its owner is back. */
  open(task: NewTask, control: TaskControl = {}): TaskHandle {
    for (const known of this.#tasks.values()) {
      if (known.isFinal || known.kind !== task.kind || known.subject !== task.subject) continue;
      known.takeUp(task, control);
      return known;
    }
    const opened = new Task(`${task.kind}-${this.#next}`, task, this.#deps);
    this.#next++;
    opened.onChange = this.#changed;
    this.#tasks.set(opened.id, opened);
    opened.takeUp(task, control);
    return opened;
  }

  /** Throws KvError UNKNOWN_TASK, or CHANGE_REFUSED if the task cannot be had so. */
  async control(id: string, action: "pause" | "resume" | "cancel"): Promise<TaskView> {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new KvError({ code: "UNKNOWN_TASK", id });
    await task.control(action);
    return task.view;
  }

  /**
   * Ends what an earlier run left and nobody will take up: as cancelled, or as failed if there is a
   * reason that somebody should know.
   */
  giveUp(isWanted: (task: Pick<NewTask, "kind" | "subject">) => boolean, reason?: string): void {
    for (const task of this.#tasks.values()) {
      if (!task.isAbandoned || !isWanted(task)) continue;
      if (reason === undefined) task.cancelled();
      else task.fail(reason);
    }
  }

  /** Ends what nobody will take up, as nobody wants it any more; what has failed included. */
  supersede(isUnwanted: (task: Pick<NewTask, "kind" | "subject">) => boolean): void {
    for (const task of this.#tasks.values()) {
      if (!task.isTakenUp && !task.isFinal && isUnwanted(task)) task.cancelled();
    }
  }

  document(): TaskDocument {
    return { next: this.#next, tasks: [...this.#tasks.values()].map((task) => task.record()) };
  }

  /**
   * Takes in what an earlier start left; for an empty register.
   *
   * @throws UntrustedDataError if the document is none
   */
  restore(document: unknown): void {
    const { next, tasks } = asRecord(document, "tasks");
    this.#next = asInteger(next, "tasks.next", { min: 1, max: Number.MAX_SAFE_INTEGER });
    for (const entry of asList(tasks, "tasks.tasks", TASKS_MAX)) {
      const task = Task.restored(readTask(asRecord(entry, "tasks.tasks[]")), this.#deps);
      task.onChange = this.#changed;
      this.#tasks.set(task.id, task);
    }
  }

  readonly #changed = (): void => {
    const over = [...this.#tasks.values()].filter(({ isOver }) => isOver);
    for (const { id } of over.slice(0, Math.max(0, over.length - this.#options.historyMax))) {
      this.#tasks.delete(id);
    }
    this.#deps.onChange?.();
  };
}

class Task implements TaskHandle {
  readonly id: string;
  readonly kind: TaskView["kind"];
  readonly subject: string;
  onChange: () => void = () => {};
  readonly #clock: Clock;
  readonly #rate = new MovingRate();
  /** Undefined while nobody has taken it up after a restart. */
  #control: TaskControl | undefined;
  #share: number | undefined;
  #view: TaskFacts;

  constructor(id: string, task: NewTask, deps: TaskRegisterDeps) {
    this.id = id;
    this.kind = task.kind;
    this.subject = task.subject;
    this.#clock = deps.clock;
    const { kind, title, unit, total } = task;
    this.#view = {
      id,
      kind,
      title,
      unit,
      total,
      state: "running",
      reason: undefined,
      done: 0,
      bytes: 0,
      startedAtMs: Math.round(this.#clock.wallMs()),
      finishedAtMs: undefined,
    };
  }

  static restored({ subject, ...record }: TaskRecord, deps: TaskRegisterDeps): Task {
    const task = new Task(record.id, { ...record, subject }, deps);
    const { reason, finishedAtMs } = record;
    task.#view = {
      ...record,
      reason: reason ?? undefined,
      finishedAtMs: finishedAtMs ?? undefined,
    };
    // A pause is what somebody wanted; it lasts until somebody wants something else.
    if (!task.isOver && record.state !== "paused") {
      task.#view = { ...task.#view, state: "waiting", reason: "restarted" };
    }
    return task;
  }

  /** Nothing happens to it any more, unless it has failed and is resumed. */
  get isOver(): boolean {
    return this.isFinal || this.#view.state === "failed";
  }

  get isFinal(): boolean {
    return this.#view.state === "done" || this.#view.state === "cancelled";
  }

  /** It has an owner in this run of the member. */
  get isTakenUp(): boolean {
    return this.#control !== undefined;
  }

  /** It was under way when the member ended, and nobody has taken it up since. */
  get isAbandoned(): boolean {
    return !this.isTakenUp && !this.isOver;
  }

  get view(): TaskView {
    const isRunning = this.#view.state === "running";
    const progress = isRunning ? this.#control?.progress?.() : undefined;
    if (progress !== undefined) this.update(progress);
    return { ...this.#view, share: this.#shareDone(), etaSeconds: this.#etaSeconds() };
  }

  takeUp({ title, total, unit }: NewTask, control: TaskControl): void {
    this.#control = control;
    const state = this.#view.state === "paused" ? "paused" : "running";
    this.#set({ title, total, unit, state, reason: undefined, finishedAtMs: undefined });
    this.onChange();
  }

  update({ state, share, ...rest }: TaskUpdate): void {
    if (this.isFinal) return;
    const { done = this.#view.done, total = this.#view.total, bytes = this.#view.bytes } = rest;
    const isNews = state !== undefined && state !== this.#view.state;
    this.#share = share ?? this.#share;
    this.#set({ done, total, bytes });
    if (isNews) this.#set({ state, reason: undefined, finishedAtMs: undefined });
    if (this.#view.state === "running") {
      this.#rate.add(this.#clock.monotonicMs(), this.#shareDone());
    } else {
      this.#rate.reset();
    }
    if (isNews) this.onChange();
  }

  wait(reason: string): void {
    if (this.isOver || (this.#view.state === "waiting" && this.#view.reason === reason)) return;
    this.#rate.reset();
    this.#set({ state: "waiting", reason });
    this.onChange();
  }

  finish(): void {
    this.#end("done", undefined);
  }

  fail(reason: string): void {
    this.#end("failed", reason);
  }

  /** What had failed keeps its reason. */
  cancelled(): void {
    this.#end("cancelled", this.#view.state === "failed" ? this.#view.reason : undefined);
  }

  async control(action: "pause" | "resume" | "cancel"): Promise<void> {
    const { state } = this.#view;
    const change = `${action} of task ${this.id}`;
    const refuse = (reason: string): never => {
      throw new KvError({ code: "CHANGE_REFUSED", change, reason });
    };
    const canResume = state === "paused" || state === "failed";
    if (this.isFinal) refuse(`it is ${state}`);
    if (action === "resume" && !canResume) refuse(`it is ${state}, not paused and not failed`);
    if (action === "pause" && state === "failed") refuse("it has failed");
    if (this.#control === undefined && action === "cancel") return this.cancelled();
    const act = this.#control?.[action];
    if (act === undefined) refuse(`nothing of it can be ${PARTICIPLES[action]} now`);
    else await act();
  }

  record(): TaskRecord {
    const { reason = null, finishedAtMs = null, ...view } = this.#view;
    return { ...view, reason, finishedAtMs, subject: this.subject };
  }

  #end(state: "done" | "failed" | "cancelled", reason: string | undefined): void {
    if (this.isFinal || (state === "failed" && this.isOver)) return;
    this.#set({ state, reason, finishedAtMs: Math.round(this.#clock.wallMs()) });
    this.onChange();
  }

  #set(change: Partial<TaskFacts>): void {
    this.#view = { ...this.#view, ...change };
  }

  #shareDone(): number {
    const { state, done, total } = this.#view;
    if (state === "done") return 1;
    return this.#share ?? (total === 0 ? 0 : Math.min(1, done / total));
  }

  #etaSeconds(): number | undefined {
    if (this.#view.state !== "running") return undefined;
    const now = { atMs: this.#clock.monotonicMs(), value: this.#shareDone() };
    return this.#rate.etaSeconds(now, 1);
  }
}

/** A wall clock may be set to anything. */
function asTime(value: unknown, path: string): number {
  return asInteger(value, path, { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
}

const PARTICIPLES = { pause: "paused", resume: "resumed", cancel: "cancelled" } as const;
const TASKS_MAX = 10_000;
const TEXT_MAX = 10_000;

function readTask(task: Untrusted): TaskRecord {
  const { id, kind, subject, title, state, reason, unit, done, total, bytes } = task;
  const { startedAtMs, finishedAtMs } = task;
  const count = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const text = (value: unknown, path: string): string => asText(value, path, TEXT_MAX);
  return {
    id: text(id, "id"),
    kind: asOneOf(kind, "kind", ["sync", "rebuild", "cleanup"]),
    subject: text(subject, "subject"),
    title: text(title, "title"),
    state: asOneOf(state, "state", STATES),
    reason: asOptional(reason, "reason", text) ?? null,
    unit: asOneOf(unit, "unit", ["ranges", "cells"]),
    done: asInteger(done, "done", count),
    total: asInteger(total, "total", count),
    bytes: asInteger(bytes, "bytes", count),
    startedAtMs: asTime(startedAtMs, "startedAtMs"),
    finishedAtMs: asOptional(finishedAtMs, "finishedAtMs", asTime) ?? null,
  };
}
