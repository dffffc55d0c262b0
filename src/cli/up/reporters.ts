/** What `dynaring up` shows: a live table on a terminal, plain lines elsewhere, or JSON lines. */
import Table from "cli-table3";
import { createLogUpdate } from "log-update";
import colors from "picocolors";
import { percentText, sizeText } from "../layout.ts";
import type { MemberRow } from "./local-ring.ts";
import type { MemberPlan } from "./ring-plan.ts";

export interface RingFacts {
  readonly members: readonly MemberPlan[];
  /** Undefined: everything is in memory. */
  readonly dataDirectory: string | undefined;
}

export interface Reporter {
  starting(facts: RingFacts): void;
  ready(facts: RingFacts): void;
  /** Takes the state of all members, again and again. */
  rows(rows: readonly MemberRow[]): void;
  stopping(): void;
  stopped(facts: RingFacts): void;
}

type Write = (text: string) => void;

/** How to talk to the ring, and how to end it. */
export function connectLines({ members: [first], dataDirectory }: RingFacts): readonly string[] {
  if (first === undefined) return [];
  const { respPort, httpUrl, configFile } = first;
  const restart =
    dataDirectory === undefined
      ? []
      : [
          `Restart a killed member:  dynaring node --config ${configFile.replace("1.yaml", "N.yaml")}`,
        ];
  return [
    `Redis clients:            redis-cli -p ${respPort}   (any member will do)`,
    `HTTP:                     curl -T file ${httpUrl}/v1/kv/default/key`,
    `Look at it:               dynaring status default --url ${httpUrl}`,
    ...restart,
    `Data:                     ${dataDirectory ?? "in memory, lost with the processes"}`,
    "Stop all members:         Ctrl-C",
  ];
}

export class PlainReporter implements Reporter {
  readonly #write: Write;
  readonly #states = new Map<number, string>();
  readonly #ended = new Set<number>();

  constructor(write: Write) {
    this.#write = write;
  }

  starting({ members }: RingFacts): void {
    this.#line(`starting ${members.length} members`);
  }

  ready(facts: RingFacts): void {
    this.#line("ready");
    for (const line of connectLines(facts)) this.#line(line);
  }

  rows(rows: readonly MemberRow[]): void {
    for (const row of rows) {
      const { plan, ending, lastLines } = row;
      const text = `${row.state}: ${addresses(plan)}, ${processText(row)}`;
      if (this.#states.get(plan.number) === text) continue;
      this.#states.set(plan.number, text);
      this.#line(`member ${plan.number} is ${text}`);
      if (ending === undefined || this.#ended.has(plan.number)) continue;
      this.#ended.add(plan.number);
      this.#line(`the end of ${plan.logFile}:`);
      for (const line of lastLines) this.#line(`  ${line}`);
    }
  }

  stopping(): void {
    this.#line("stopping all members");
  }

  stopped({ dataDirectory }: RingFacts): void {
    this.#line(dataDirectory === undefined ? "stopped" : `stopped; data stay in ${dataDirectory}`);
  }

  #line(text: string): void {
    this.#write(`${text}\n`);
  }
}

export class JsonReporter implements Reporter {
  readonly #write: Write;
  #last = "";

  constructor(write: Write) {
    this.#write = write;
  }

  starting({ members }: RingFacts): void {
    this.#event("starting", { members: members.length });
  }

  ready({ members, dataDirectory }: RingFacts): void {
    const shown = members.map(({ number, respPort, httpPort, internodePort }) => {
      return { number, respPort, httpPort, internodePort };
    });
    this.#event("ready", { members: shown, dataDirectory });
  }

  rows(rows: readonly MemberRow[]): void {
    const members = rows.map(({ plan, pid, state, ending }) => {
      return { number: plan.number, pid, state, ending };
    });
    const text = JSON.stringify(members);
    if (text !== this.#last) this.#event("members", { members });
    this.#last = text;
  }

  stopping(): void {
    this.#event("stopping", {});
  }

  stopped(): void {
    this.#event("stopped", {});
  }

  #event(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#write(`${JSON.stringify({ event, ...fields })}\n`);
  }
}

export interface TerminalDeps {
  readonly stream: NodeJS.WriteStream;
  readonly nowMs: () => number;
}

export class TerminalReporter implements Reporter {
  readonly #deps: TerminalDeps;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #rates: OperationRates;
  #facts: RingFacts = { members: [], dataDirectory: undefined };

  constructor(deps: TerminalDeps) {
    this.#deps = deps;
    this.#update = createLogUpdate(deps.stream);
    this.#rates = new OperationRates();
  }

  starting({ members }: RingFacts): void {
    this.#update(`Starting ${members.length} members ...`);
  }

  ready(facts: RingFacts): void {
    this.#facts = facts;
  }

  rows(rows: readonly MemberRow[]): void {
    const rates = this.#rates.next(rows, this.#deps.nowMs());
    const ends = rows.flatMap(({ plan, state, ending, lastLines }) =>
      ending === undefined || isUp(state)
        ? []
        : [`Member ${plan.number} ${ending}. The end of ${plan.logFile}:`, ...lastLines, ""],
    );
    const parts = [memberTable(rows, rates), "", ...ends, ...connectLines(this.#facts)];
    this.#update(parts.join("\n"));
  }

  stopping(): void {
    this.#update.done();
    this.#deps.stream.write("Stopping all members ... (Ctrl-C again kills them)\n");
  }

  stopped({ dataDirectory }: RingFacts): void {
    this.#deps.stream.write(
      dataDirectory === undefined ? "Stopped.\n" : `Stopped. The data stay in ${dataDirectory}\n`,
    );
  }
}

/** Operations per second of every member, from two readings of their counters. */
export class OperationRates {
  #last = new Map<number, number>();
  #lastMs = 0;

  /** By member number; undefined where one of the readings is missing. */
  next(rows: readonly MemberRow[], nowMs: number): ReadonlyMap<number, number | undefined> {
    const seconds = (nowMs - this.#lastMs) / 1000;
    const rates = new Map<number, number | undefined>();
    const seen = new Map<number, number>();
    for (const { plan, operations } of rows) {
      const before = this.#last.get(plan.number);
      // Counters of a member that was restarted begin again.
      const isRising = operations !== undefined && before !== undefined && operations >= before;
      rates.set(plan.number, isRising ? (operations - before) / seconds : undefined);
      if (operations !== undefined) seen.set(plan.number, operations);
    }
    this.#last = seen;
    this.#lastMs = nowMs;
    return rates;
  }
}

export function memberTable(
  rows: readonly MemberRow[],
  rates: ReadonlyMap<number, number | undefined>,
): string {
  const table = new Table({
    head: ["Member", "State", "RESP", "HTTP", "Internode", "Load", "Owns", "Ops/s", "Process"],
    style: { head: [], border: [], compact: true },
    colAligns: ["right", "left", "right", "right", "right", "right", "right", "right", "left"],
  });
  for (const row of rows) {
    const { plan, state, loadBytes, ownership } = row;
    const rate = rates.get(plan.number);
    table.push([
      plan.number,
      isUp(state) ? colors.green(state) : colors.red(state),
      plan.respPort,
      plan.httpPort,
      plan.internodePort,
      sizeText(loadBytes),
      percentText(ownership, 1),
      rate === undefined ? "?" : Math.round(rate),
      processText(row),
    ]);
  }
  return table.toString();
}

/** Whether a state as nodetool writes it says that the member is up. */
export function isUp(state: string): boolean {
  return state.startsWith("U");
}

function processText({ pid, state, ending }: MemberRow): string {
  if (ending === undefined) return `pid ${pid ?? "?"}`;
  return isUp(state) ? "restarted by hand" : ending;
}

function addresses({ respPort, httpPort, internodePort }: MemberPlan): string {
  return `RESP ${respPort}, HTTP ${httpPort}, internode ${internodePort}`;
}
