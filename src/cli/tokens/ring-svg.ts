/**
 * Draws placed rings as SVG: token 0 of the ring at the top, clockwise, one band per replica.
 *
 *       outermost  where data moves: thin bands in the colours of the members that get it
 *       bands      the first replica of each range outside, the second inside it, and so on
 *       dots       tokens, with the names of their owners, while there are few enough
 *
 * A look at the bands tells what tables do not: with one token per member each colour makes one block
 * over the same neighbours, with many tokens all colours meet all others.
 */
import { must } from "../../util/assert.ts";
import { MIN_TOKEN, tokenFromHalves, tokenHi, tokenLo } from "../../ring/token.ts";
import { CliError } from "../exit-codes.ts";
import type { PlacedRing } from "./placed-ring.ts";

export interface RingPicture {
  readonly caption: string;
  readonly placed: PlacedRing;
  /** The ring before, if the picture is to show where data moves. */
  readonly before?: PlacedRing | undefined;
}

/** A line of the legend. */
export interface LegendEntry {
  readonly name: string;
  readonly text: string;
}

const SIZE = 420;
const RADIUS = 150;
const BAND = 22;
const BAND_GAP = 2;
/** Rings for the first, second and third member that gets a range. */
const MOVED_BANDS = 3;
const MOVED_BAND = 5;
const LABEL_RADIUS = RADIUS + 3 + MOVED_BANDS * (MOVED_BAND + 1) + 4;
const LABELS_MAX = 36;
const RANGES_MAX = 20_000;
const BANDS_MAX = 5;
const ROW = 20;
const FONT = "font-family='sans-serif' fill='#222'";

/** One picture after the other from left to right, and the legend under them. */
export function ringSvg(pictures: readonly RingPicture[], legend: readonly LegendEntry[]): string {
  const colours = new Map(legend.map(({ name }, index) => [name, colourOf(index, legend.length)]));
  const columns = pictures.length * 2;
  const rows = Math.ceil(legend.length / columns);
  const width = pictures.length * SIZE;
  const height = SIZE + rows * ROW + 20;
  const rings = pictures.map(
    (picture, index) =>
      `<g transform='translate(${index * SIZE + SIZE / 2} ${SIZE / 2})'>\n${ringPart(picture, colours)}</g>\n`,
  );
  const entries = legend.map(({ name, text }, index) => {
    const x = Math.floor(index / rows) * (width / columns) + 20;
    const y = SIZE + (index % rows) * ROW;
    return (
      `<rect x='${x}' y='${y}' width='12' height='12' fill='${colours.get(name)}'/>` +
      `<text x='${x + 18}' y='${y + 11}' font-size='12' ${FONT}>${escaped(text)}</text>\n`
    );
  });
  return (
    `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 ${width} ${height}' ` +
    `width='${width}' height='${height}'>\n<rect width='100%' height='100%' fill='#fff'/>\n` +
    `${rings.join("")}${entries.join("")}</svg>\n`
  );
}

interface Arc {
  /** As fractions of the ring; the end may be above 1. */
  readonly start: number;
  readonly end: number;
  readonly member: string;
}

function ringPart(
  { caption, placed, before }: RingPicture,
  colours: ReadonlyMap<string, string>,
): string {
  const bands = bandsOf(placed);
  const lines: string[] = [];
  for (const [band, arcs] of bands.entries()) {
    const outer = RADIUS - band * (BAND + BAND_GAP);
    for (const arc of arcs) lines.push(sector(arc, outer - BAND, outer, colours));
  }
  if (before !== undefined) {
    for (let receiver = 0; receiver < MOVED_BANDS; receiver++) {
      const inner = RADIUS + 3 + receiver * (MOVED_BAND + 1);
      for (const arc of movedArcs(before, placed, receiver)) {
        lines.push(sector(arc, inner, inner + MOVED_BAND, colours));
      }
    }
  }
  lines.push(...tokenMarks(placed));
  lines.push(`<text text-anchor='middle' y='5' font-size='15' ${FONT}>${escaped(caption)}</text>`);
  return lines.map((line) => `${line}\n`).join("");
}

/** The arcs of each replica, outermost first. */
function bandsOf({ table, members }: PlacedRing): readonly (readonly Arc[])[] {
  const ranges = table.ranges();
  if (ranges.length > RANGES_MAX) {
    const reason = `${ranges.length} ranges are too many to draw, expected at most ${RANGES_MAX}`;
    throw new CliError("usage", reason);
  }
  const count = Math.max(0, ...ranges.map(({ replicas }) => replicas.members.length));
  return Array.from({ length: Math.min(count, BANDS_MAX) }, (_, band) =>
    joined(
      ranges.flatMap((range) => {
        const replica = range.replicas.members[band];
        if (replica === undefined) return [];
        const start = tokenFromHalves(range.startHi, range.startLo);
        const end = tokenFromHalves(range.endHi, range.endLo);
        return arcBetween(start, end, must(members[replica], "a replica is a member").id);
      }),
    ),
  );
}

/** What somebody holds who did not before: for each such range, the receiver of this number. */
function movedArcs(before: PlacedRing, after: PlacedRing, receiver: number): readonly Arc[] {
  const ends = new Set(
    [before, after].flatMap(({ table }) =>
      table.ranges().map(({ endHi, endLo }) => tokenFromHalves(endHi, endLo)),
    ),
  );
  const sorted = BigInt64Array.from(ends).sort();
  const pieces = [...sorted.entries()].flatMap(([index, end]) => {
    const held = new Set(holders(before, end));
    const member = holders(after, end).filter((name) => !held.has(name))[receiver];
    if (member === undefined) return [];
    return arcBetween(must(sorted.at(index - 1), "a ring with tokens"), end, member);
  });
  return joined(pieces);
}

/** No arc if the range is too small to be one. */
function arcBetween(start: bigint, end: bigint, member: string): readonly Arc[] {
  const [from, to] = [fractionOf(start), fractionOf(end)];
  if (start < end && from === to) return [];
  return [{ start: start < end ? from : from - 1, end: to, member }];
}

function holders({ table, members }: PlacedRing, token: bigint): readonly string[] {
  const { members: replicas } = table.lookup(tokenHi(token), tokenLo(token));
  return replicas.map((index) => must(members[index], "a replica is a member").id);
}

/** Arcs of one member that touch become one. */
function joined(arcs: readonly Arc[]): readonly Arc[] {
  const result: Arc[] = [];
  for (const arc of arcs) {
    const last = result.at(-1);
    if (last !== undefined && last.member === arc.member && last.end === arc.start) {
      result[result.length - 1] = { ...last, end: arc.end };
    } else result.push(arc);
  }
  return result;
}

/** Where a token stands on the ring, 0 to 1. */
function fractionOf(position: bigint): number {
  return Number(position - MIN_TOKEN) / 2 ** 64;
}

function sector(
  { start, end, member }: Arc,
  inner: number,
  outer: number,
  colours: ReadonlyMap<string, string>,
): string {
  const fill = colours.get(member) ?? "#999";
  const title = `<title>${escaped(member)}</title>`;
  if (end - start >= 1 - 1e-9) {
    const radius = (inner + outer) / 2;
    return `<circle r='${radius}' fill='none' stroke='${fill}' stroke-width='${outer - inner}'>${title}</circle>`;
  }
  const large = end - start > 0.5 ? 1 : 0;
  const path =
    `M${point(start, outer)}A${outer} ${outer} 0 ${large} 1 ${point(end, outer)}` +
    `L${point(end, inner)}A${inner} ${inner} 0 ${large} 0 ${point(start, inner)}Z`;
  return `<path d='${path}' fill='${fill}' stroke='#fff' stroke-width='0.5'>${title}</path>`;
}

/** The tokens, with their owners' names; nothing when the names would cover each other. */
function tokenMarks({ members }: PlacedRing): readonly string[] {
  const tokens = members.flatMap(({ id, tokens: owned }) =>
    owned.map((token) => ({ id, fraction: fractionOf(token) })),
  );
  if (tokens.length > LABELS_MAX) return [];
  return tokens.map(({ id, fraction }) => {
    const [x, y] = place(fraction, LABEL_RADIUS + 6);
    const side = Math.sin(fraction * 2 * Math.PI);
    const anchor = side > 0.2 ? "start" : side < -0.2 ? "end" : "middle";
    return (
      `<path d='M${point(fraction, RADIUS)}L${point(fraction, LABEL_RADIUS)}' stroke='#222'/>` +
      `<text x='${x}' y='${y + 4}' text-anchor='${anchor}' font-size='11' ${FONT}>${escaped(id)}</text>`
    );
  });
}

function point(fraction: number, radius: number): string {
  return place(fraction, radius).join(" ");
}

function place(fraction: number, radius: number): readonly [number, number] {
  const angle = fraction * 2 * Math.PI;
  const round = (value: number): number => Math.round(value * 100) / 100;
  return [round(radius * Math.sin(angle)), round(-radius * Math.cos(angle))];
}

/** Hues that differ from each other, neighbours in the list most of all. */
function colourOf(index: number, count: number): string {
  if (count <= 12) {
    return `hsl(${Math.round((360 / count) * index)}, 62%, ${index % 2 === 0 ? 48 : 64}%)`;
  }
  return `hsl(${Math.round((index * 137.508) % 360)}, 60%, ${[42, 56, 70][index % 3]}%)`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("'", "&apos;");
}
