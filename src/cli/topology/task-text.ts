/** Tasks and streams for people. */
import type { NetstatsJson, TaskJson } from "../../http/topology-views.ts";
import { sizeText, spanText } from "../layout.ts";
import { tableText } from "../table.ts";

const TASK_COLUMNS = [
  { title: "Id" },
  { title: "State" },
  { title: "Progress", isNumber: true },
  { title: "Size", isNumber: true },
  { title: "Left", isNumber: true },
  { title: "Started" },
  { title: "Task" },
] as const;

const STREAM_COLUMNS = [
  { title: "Direction" },
  { title: "Peer" },
  { title: "Keyspace" },
  { title: "Cells", isNumber: true },
  { title: "Size", isNumber: true },
] as const;

/** Whether a task will get on, now or when something else has happened. */
export function isUnfinished({ state }: TaskJson): boolean {
  return state === "running" || state === "waiting" || state === "paused";
}

/** "45%, 14 of 32 ranges": the ranges are those on stable storage. */
export function progressText(task: TaskJson): string {
  const percent = Math.floor(100 * task.share);
  return `${percent}%, ${task.done} of ${task.total} ${task.unit}`;
}

export function tasksText(tasks: readonly TaskJson[]): string {
  if (tasks.length === 0) return "No tasks.\n";
  const rows = tasks.map((task) => [
    task.id,
    task.state,
    progressText(task),
    sizeText(task.bytes),
    isUnfinished(task) ? spanText(task.etaSeconds) : "",
    timeText(task.startedAtMs),
    titleText(task),
  ]);
  return `${tableText(TASK_COLUMNS, rows)}\n`;
}

/** What it does and, where there is one, why it does not. */
export function titleText({ title, reason }: TaskJson): string {
  return reason === undefined ? title : `${title}: ${reason}`;
}

const LABEL_WIDTH = 10;

/** One task as labels and values. */
export function taskText(task: TaskJson): string {
  const { finishedAtMs, reason } = task;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["Id", task.id],
    ["Kind", task.kind],
    ["Task", task.title],
    ["State", task.state],
    ["Reason", reason],
    ["Progress", progressText(task)],
    ["Size", sizeText(task.bytes)],
    ["Started", timeText(task.startedAtMs)],
    ["Finished", finishedAtMs === undefined ? undefined : timeText(finishedAtMs)],
    ["Left", isUnfinished(task) ? spanText(task.etaSeconds) : undefined],
  ];
  return rows
    .filter(([, value]) => value !== undefined)
    .map(([label, value]) => `${label.padEnd(LABEL_WIDTH)}: ${value}\n`)
    .join("");
}

/** The first lines are nodetool's. */
export function netstatsText({ mode, streams, tasks }: NetstatsJson): string {
  const rows = streams.map(({ peer, direction, keyspace, cells, bytes }) => [
    direction === "in" ? "Receiving" : "Sending",
    peer,
    keyspace,
    String(cells),
    sizeText(bytes),
  ]);
  const shown =
    rows.length === 0 ? "Not sending any streams.\n" : `${tableText(STREAM_COLUMNS, rows)}\n`;
  const open = tasks.filter(isUnfinished);
  return `Mode: ${mode}\n${shown}${open.length === 0 ? "" : tasksText(open)}`;
}

/** To the second, in UTC: members and people may live in different zones. */
function timeText(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
}
